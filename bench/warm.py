"""A lab with warmed processes, and one whose imports are kept, beside one without: one after the other."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import psutil

from fakevm.lab import kept, readiness, registry
from fakevm.lab.warm import VARIABLE
from fakevm.linux import supervision
from fakevm.model.lab import LabRecord

from . import lab
from .command import LAB, timed
from .figure import Figure

AGENT = "neutron-openvswitch-agent"
_PATIENCE = 120.0
# Workers come after a lab is up: all are there once no process has come or gone for so long (seconds).
_CALM = 5.0


class Goals(NamedTuple):
    """The most that a warm lab should need: seconds to come up, MB; of one host more: MB, seconds of a processor."""

    up: float
    memory: float
    host_memory: float
    host_processor: float


GOALS = {"ovs": Goals(5, 1050, 80, 0.8), "ovn": Goals(3, 650, 32, 0.4)}
# Seconds for a lab to come up after `warm start`.
_KEPT_UP = 3.5
_HOSTS = "  compute1: {}\n  compute2: {}\n"


def measure(found: list[Figure]) -> None:
    """Measure both kinds of labs cold, warm, and after ``warm start``; what was measured before a failure stays."""
    before = {name: os.environ.get(name) for name in (VARIABLE, kept.VARIABLE)}
    try:
        with tempfile.TemporaryDirectory() as folder:
            os.environ[kept.VARIABLE] = str(Path(folder, "kept"))
            for backend, goals in GOALS.items():
                for kind, wanted, aim in (("cold", "0", None), ("warm", "1", goals)):
                    os.environ[VARIABLE] = wanted
                    found += _figures(backend, kind, aim)
                with _kept():
                    found += _figures(backend, "kept warm", goals._replace(up=min(goals.up, _KEPT_UP)))
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


@contextmanager
def _kept() -> Iterator[None]:
    timed("warm", "start")
    try:
        yield
    finally:
        timed("warm", "stop")


def _figures(backend: str, kind: str, goals: Goals | None) -> Iterator[Figure]:
    topic = f"{backend}: a {kind} lab"
    network = "" if backend == "ovn" else "  network1: {roles: [dhcp]}\n"
    text = f"backend: {backend}\nhosts:\n{_HOSTS}{network}"
    free, times = psutil.virtual_memory().available, lab.Times()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "lab.yaml")
        file.write_text(text)
        with lab.running(times, str(file)):
            yield Figure(topic, "lab up", times.up, "s", goals and goals.up)
            yield lab.memory(topic, goals and goals.memory)[0]
            yield Figure(topic, "  fall of MemAvailable", (free - psutil.virtual_memory().available) / 2**20, "MB")
            if backend == "ovs":
                yield Figure(topic, "L2 agent, started again to first report", _return(), "s", goals and 1)
            yield from _one_more(topic, file, text, goals)


def _return() -> float:
    record = registry.load(registry.root() / LAB)
    folder, before = record.host_directory("compute1") / "service", _started(record)
    supervision.kill(folder, AGENT)
    while supervision.status(folder)[AGENT].running:
        time.sleep(0.02)
    begun = time.perf_counter()
    # By itself its supervisor waits a second after each death.
    supervision.start(folder, AGENT)
    while _started(record) in (before, None):
        if time.perf_counter() - begun > _PATIENCE:
            raise SystemExit(f"bench: {AGENT} did not come back in {_PATIENCE:.0f} s")
        time.sleep(0.05)
    return time.perf_counter() - begun


def _started(record: LabRecord) -> object:
    with suppress(OSError):
        for agent in readiness.agents(record):
            if (agent["host"], agent["binary"], agent["alive"]) == ("compute1", AGENT, True):
                return agent["started_at"]
    return None


def _one_more(topic: str, file: Path, text: str, goals: Goals | None) -> Iterator[Figure]:
    holder = psutil.Process(registry.load(registry.root() / LAB).pid)
    old = _all_there(holder)
    memory = sum(lab.sizes((holder, *old)).values())
    file.write_text(f"{text}  compute3: {{}}\n")
    timed("lab", "apply", str(file))
    used = sum(_processor(process) for process in set(holder.children(recursive=True)) - set(old))
    grown = sum(lab.sizes((holder, *_all_there(holder))).values()) - memory
    yield Figure(topic, "one host more: memory (PSS)", grown, "MB", goals and goals.host_memory)
    yield Figure(topic, "one host more: processor, to all its agents alive", used, "s", goals and goals.host_processor)


def _all_there(holder: psutil.Process) -> list[psutil.Process]:
    """Wait until the processes of a lab are the same for a while, but for those of a moment; gives them."""
    begun = since = time.perf_counter()
    seen = _staying(holder)
    while (now := time.perf_counter()) - since < _CALM and now - begun < _PATIENCE:
        time.sleep(0.2)
        if (found := _staying(holder)) != seen:
            seen, since = found, now
    there: list[psutil.Process] = holder.children(recursive=True)
    return there


def _staying(holder: psutil.Process) -> set[psutil.Process]:
    now = time.time()
    found = set()
    for process in holder.children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            found |= {process} if now - process.create_time() > 2 else set()
    return found


def _processor(process: psutil.Process) -> float:
    with suppress(psutil.NoSuchProcess):
        times = process.cpu_times()
        return float(times.user + times.system + times.children_user + times.children_system)
    return 0.0
