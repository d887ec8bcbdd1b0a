"""(a) The default lab: how long it takes to come up and go down, and how much memory it holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psutil

from fakevm import release
from fakevm.lab import registry
from fakevm.release import cache

from .command import LAB, fakevm, timed
from .figure import Figure

TOPIC = "Default lab: two compute hosts, one network host"


@dataclass
class Times:
    """How long (seconds) the lab took to come up and to go down."""

    up: float = 0.0
    down: float = 0.0


@contextmanager
def running(times: Times, *words: str) -> Iterator[None]:
    """Have the lab for as long as it is needed; ``words`` say which, else it is the default one."""
    have_template()
    try:
        times.up = timed("lab", "up", "--name", LAB, *words)
        yield
        times.down = timed("lab", "down", LAB)
    finally:
        if LAB in registry.names():
            fakevm("lab", "down", LAB)


def have_template() -> None:
    """Pay what only the first lab of a machine pays."""
    places = [cache.home(release.DEFAULT, place) for place in cache.search()]
    if not any(place.glob("database-*/neutron") for place in places if place.exists()):
        fakevm("lab", "up", "--name", LAB)
        fakevm("lab", "down", LAB)


def memory(topic: str = TOPIC, goal: float | None = None) -> list[Figure]:
    """Add up the proportional set sizes (PSS) of all processes of the running lab, and of the largest programs."""
    holder = psutil.Process(registry.load(registry.root() / LAB).pid)
    programs = sizes((holder, *holder.children(recursive=True)))
    figures = [Figure(topic, "memory (PSS)", sum(programs.values()), "MB", goal)]
    return figures + [Figure(topic, f"  {name}", size, "MB") for name, size in programs.most_common(8)]


def sizes(processes: Iterable[psutil.Process]) -> Counter[str]:
    """Add up the proportional set sizes (MB) of processes, by the programs that they run."""
    found: Counter[str] = Counter()
    for process in processes:
        with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
            found[_program(process)] += process.memory_full_info().pss / 2**20
    return found


def _program(process: psutil.Process) -> str:
    """Name what a process runs: a script rather than its interpreter."""
    words: list[str] = process.cmdline()
    # Neutron's services rename themselves: "neutron-dhcp-agent: master process [...".
    first: str = words[0].split(" ")[0].rstrip(":") if words else process.name()
    interpreted = first.rpartition("/")[2].startswith(("python", "sh")) and len(words) > 1
    return (words[1] if interpreted else first).rpartition("/")[2]


def figures(times: Times) -> list[Figure]:
    """Give the times."""
    return [
        Figure(TOPIC, "lab up, to all agents alive", times.up, "s", 40),
        Figure(TOPIC, "lab down", times.down, "s", 3),
    ]
