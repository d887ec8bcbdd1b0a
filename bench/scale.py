"""Labs of ever more hosts: how long until all guests reach one another, and what that costs.

Each step has a bound of its own. A lab that does not get there keeps what was measured, and the next one is tried.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from contextlib import suppress
from typing import NamedTuple

import psutil

from fakevm.errors import FakevmError
from fakevm.lab import registry
from fakevm.testing.mesh import ping_all

from . import lab
from .command import FAKEVM, LAB, fakevm, run
from .figure import Figure

SIZES = {"ovs": (10, 25, 50, 100), "ovn": (50, 100, 200)}
QUICK = {"ovs": (3, 10), "ovn": (10,)}
NAMES = {"ovs": "ML2/OVS", "ovn": "ML2/OVN"}
# A host beside others may take so much (MB); where there is less, the lab is left out.
ROOM = {"ovs": 130, "ovn": 50}
ROOM_OF_SERVICES = 1500
# Seconds within which a step ends, in all labs and for each host.
BOUND, BOUND_PER_HOST = 120.0, 3.0
# Seconds: of idleness that are measured; in which it must have become quiet; of one look whether it has.
IDLE, QUIET, LOOK = 20.0, 120.0, 4.0
# Of which host a port is created, besides the last.
TENTH = 10
STEPS = ("create", "bind", "plug", "active")
# Beyond these no pings are answered late only because others have the processors.
PAIRS = 120.0


class Goals(NamedTuple):
    """The most that the largest lab should need: seconds until all pairs answer, MB; cores that it takes when idle."""

    seconds: float
    memory: float
    idle: float = 1


GOALS = {("ovs", 100): Goals(75, 9000), ("ovn", 200): Goals(75, 7500)}


def measure(quick: bool, found: list[Figure]) -> None:
    """Measure all labs, one after the other, into ``found``."""
    lab.have_template()
    for backend, sizes in (QUICK if quick else SIZES).items():
        for number in sizes:
            _say(f"{number} hosts of {NAMES[backend]}")
            needed = ROOM_OF_SERVICES + ROOM[backend] * number
            if psutil.virtual_memory().available < needed * 2**20:
                _say(f"  left out: it needs some {needed} MB")
                continue
            try:
                _Scale(backend, number, found).measure()
            except (SystemExit, FakevmError) as problem:
                if problem.args and isinstance(problem.args[0], int):
                    raise
                _say(f"  given up: {problem}")
            finally:
                with suppress(SystemExit):
                    if LAB in registry.names():
                        fakevm("lab", "down", LAB)


class _Scale:
    """One lab: what is measured of it, step by step."""

    def __init__(self, backend: str, number: int, found: list[Figure]) -> None:
        self._backend = backend
        self._number = number
        self._topic = f"{NAMES[backend]}, {number} hosts"
        self._found = found
        self._goals = GOALS.get((backend, number))
        self._bound = BOUND + BOUND_PER_HOST * number

    def measure(self) -> None:
        """Go through its life; what was measured before a failure stays."""
        free = psutil.virtual_memory().available
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write(_file(self._backend, self._number))
            file.flush()
            up = self._timed("lab up, to all agents alive", "lab", "up", "--name", LAB, "--timeout", "300", file.name)
        guests = self._timed("a guest on each, ACTIVE", "create-port", "net", "guest", *self._each())
        self._add("all until then and all pairs answer", up + guests + self._pairs(), "s", "seconds")
        self._add("  processor until then", _processor(), "s")
        self._settle()
        self._add("memory (PSS)", sum(lab.sizes(_processes()).values()), "MB", "memory")
        self._add("  fall of MemAvailable", (free - psutil.virtual_memory().available) / 2**20, "MB")
        self._add("idle: cores taken", _taken(IDLE), "", "idle")
        for host in dict.fromkeys((min(TENTH, self._number), self._number)):
            self._add(f"create-port to ACTIVE in host {host}", self._active(host), "s")
        self._timed("lab down", "lab", "down", LAB, goal=5 if self._number >= 100 else None)

    def _each(self) -> list[str]:
        return ["--count", str(self._number), "--timeout", f"{self._bound:.0f}", "-f", "json"]

    def _pairs(self) -> float:
        answers = ping_all(registry.load(registry.root() / LAB), PAIRS)
        self._add("all pairs ping one another", answers.seconds, "s")
        self._add("  pairs that did not answer", answers.pairs - answers.answered, "", note=f"of {answers.pairs}")
        return answers.seconds

    def _settle(self) -> None:
        """Wait until the lab is quiet, and say how long that took: agents have work to do after they are alive."""
        begun = time.monotonic()
        while _taken(LOOK) > 0.5 + self._number / 200 and time.monotonic() - begun < QUIET:
            pass
        self._add("  until it is quiet", time.monotonic() - begun, "s")

    def _active(self, host: int) -> float:
        words = ("create-port", "net", f"late-{host}", "--host", f"compute{host}", "-f", "json")
        made = json.loads(run([FAKEVM, *words], self._bound))
        return float(sum(made["seconds"][step] for step in STEPS))

    def _timed(self, name: str, *words: str, goal: float | None = None) -> float:
        begun = time.perf_counter()
        run([FAKEVM, *words], self._bound)
        seconds = time.perf_counter() - begun
        self._found.append(Figure(self._topic, name, seconds, "s", goal))
        return seconds

    def _add(self, name: str, value: float, unit: str, goal: str = "", note: str = "") -> None:
        wanted = getattr(self._goals, goal) if goal and self._goals else None
        self._found.append(Figure(self._topic, name, value, unit, wanted, note))


def _file(backend: str, number: int) -> str:
    subnet = "{net-v4: {cidr: 10.20.0.0/16, dhcp: false}}"
    return f"backend: {backend}\nhosts: {{compute: {{count: {number}}}}}\nnetworks: {{net: {{subnets: {subnet}}}}}\n"


def _processes() -> list[psutil.Process]:
    holder = psutil.Process(registry.load(registry.root() / LAB).pid)
    return [holder, *holder.children(recursive=True)]


def _processor() -> float:
    """Add up the seconds of a processor that a lab has taken, those of programs that have ended in it, too."""
    total = 0.0
    for process in _processes():
        with suppress(psutil.NoSuchProcess):
            total += sum(process.cpu_times()[:4])
    return total


def _taken(seconds: float) -> float:
    """Tell how many cores the lab takes, over so many seconds."""
    before = _processor()
    begun = time.monotonic()
    time.sleep(seconds)
    return (_processor() - before) / (time.monotonic() - begun)


def _say(what: str) -> None:
    print(f"measuring: {what}", file=sys.stderr, flush=True)
