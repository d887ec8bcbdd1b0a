"""Single programs of a lab that runs: found by name, restarted, stopped, started, killed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from fakevm.errors import Ambiguous, FakevmError, InvalidInput, NotFound
from fakevm.linux import process, supervision
from fakevm.model.lab import LabRecord
from fakevm.model.labfile.reference import suggestion
from fakevm.progress import Progress
from fakevm.waiting import remains

from . import fault, readiness, sandbox, serving, warm

# Seconds on top of a program's grace: a machine may be busy.
_ENDING = 30.0
# A program that has no other sign of life runs for so long (seconds).
_STEADY = 1.0
_PAUSE = 0.1
# What makes a host serve networks and routers.
_SERVING = ("ovs-vswitchd", "neutron-openvswitch-agent", "neutron-dhcp-agent", "neutron-l3-agent")


class Program(NamedTuple):
    """A program of a lab: on a host, or (``host`` is empty) of the lab itself."""

    host: str
    name: str

    def __str__(self) -> str:
        return f"{self.host}/{self.name}".removeprefix("/")


def listed(record: LabRecord) -> list[Program]:
    """List all programs; a host, which is a program of the lab, is none of them."""
    hosts = {host.name for host in record.hosts}
    found = (Program(host, name) for host, folder in record.services().items() for name in supervision.deaths(folder))
    return sorted(program for program in found if program.host or program.name not in hosts)


def find(record: LabRecord, words: Iterable[str]) -> list[Program]:
    """Find programs by their names; each once.

    Raises InvalidInput when one is a host, NotFound, or Ambiguous when several hosts have it.
    """
    return list(dict.fromkeys(_find(record, word) for word in words))


def _find(record: LabRecord, word: str) -> Program:
    known = {str(program): program for program in listed(record)}
    if word in known:
        return known[word]
    if word in {host.name for host in record.hosts}:
        own = [name for name, program in known.items() if program.host == word]
        raise InvalidInput(
            f"{word!r} is a host, not a program",
            hint=f"fakevm host stop|kill|start {word}, or one of: {', '.join(own)}.",
        )
    alike = [name for name, program in known.items() if program.name == word]
    if len(alike) > 1:
        raise Ambiguous(f"{word!r} runs on several hosts", hint=f"Which one: {', '.join(alike)}?")
    if alike:
        return known[alike[0]]
    raise NotFound(f"lab {record.name!r} has no program {word!r}", hint=suggestion(word, list(known)))


def restart(
    record: LabRecord, program: Program, progress: Progress, *, grace: float | None = None, timeout: float = 180.0
) -> None:
    """Let a program end (SIGTERM), kill it when it has not after ``grace`` seconds, and wait until its next one serves.

    ``grace`` is the program's own by default. One that is stopped is started. If this is cut short, the program comes
    back all the same. Raises LabFailed, TimedOut.
    """
    since, folder = time.time(), _folder(record, program)
    before = supervision.status(folder, program.name)[program.name]
    warm.knock(record.directory)
    if before.running:
        supervision.terminate(folder, program.name)
        _end(record, program, partial(_is_gone, record, program, before.pid), grace)
    _bring_back(record, program, progress, since, timeout)


def restart_all(record: LabRecord, wanted: Sequence[Program], progress: Progress, *, timeout: float = 180.0) -> None:
    """Restart programs that run, all at once, each as ``restart`` does; ``timeout`` (seconds) is for each.

    Raises LabFailed, TimedOut.
    """
    since = time.time()
    before = {one: supervision.status(_folder(record, one), one.name)[one.name].pid for one in wanted}
    warm.knock(record.directory)
    for one in wanted:
        supervision.terminate(record.services()[one.host], one.name)
    for one, pid in before.items():
        grace = supervision.grace(record.services()[one.host], one.name) - (time.time() - since)
        _end(record, one, partial(_is_gone, record, one, pid), max(0.0, grace))
    for number, one in enumerate(wanted, start=1):
        _bring_back(record, one, progress, since, timeout)
        progress.seen(f"{number} of {len(wanted)} programs serve")


def restart_in_turn(
    record: LabRecord, wanted: Sequence[Program], progress: Progress, at_once: int, *, timeout: float = 180.0
) -> None:
    """Restart programs that run, the lab's before those of hosts, ``at_once`` at a time, each as ``restart`` does.

    Raises LabFailed, TimedOut.
    """
    of_lab = [program for program in wanted if not program.host]
    for title, running in (("the server", of_lab), ("agents", [p for p in wanted if p.host])):
        if running:
            with progress.step(f"restarting {title}"):
                for begin in range(0, len(running), at_once):
                    restart_all(record, running[begin : begin + at_once], progress, timeout=timeout)


def kill(record: LabRecord, program: Program, progress: Progress, *, timeout: float = 180.0) -> bool:
    """Kill a program, as a crash does, and wait until its next one serves; False when it does not run.

    Raises LabFailed, TimedOut.
    """
    since, folder = time.time(), _folder(record, program)
    before = supervision.status(folder, program.name)[program.name]
    if not before.running:
        return False
    supervision.crash(folder, program.name)
    _end(record, program, partial(_is_gone, record, program, before.pid), 0.0)
    _bring_back(record, program, progress, since, timeout)
    return True


def stop(record: LabRecord, program: Program, *, grace: float | None = None) -> bool:
    """Let a program end, kill it when it has not after ``grace`` seconds, and keep it down; False when it is.

    Raises TimedOut.
    """
    folder = _folder(record, program)
    running = supervision.status(folder, program.name)[program.name].running
    supervision.stop(folder, program.name)
    if running:
        _end(record, program, lambda: not supervision.status(folder, program.name)[program.name].running, grace)
    return running


def start(record: LabRecord, program: Program, progress: Progress, *, timeout: float = 180.0) -> bool:
    """Start a program that is stopped, and wait until it serves; False when it runs. Raises LabFailed, TimedOut."""
    since = time.time()
    if supervision.status(_folder(record, program), program.name)[program.name].running:
        return False
    _bring_back(record, program, progress, since, timeout)
    return True


# -- within ------------------------------------------------------------------------------------------------------


def _folder(record: LabRecord, program: Program) -> Path:
    """Where its supervisor is. Raises NotFound: its host does not run."""
    state = fault.states(record, program.host)[program.host] if program.host else "running"
    if state in fault.ENDED:
        raise NotFound(
            f"host {program.host!r} is {state}: {program.name} cannot run there",
            hint=f"Start it: fakevm host start {program.host}",
        )
    return record.services()[program.host]


def _is(record: LabRecord, program: Program, pid: int) -> bool:
    seen = supervision.status(record.services()[program.host], program.name)[program.name]
    return seen.running and seen.pid == pid


def _is_gone(record: LabRecord, program: Program, pid: int) -> bool:
    return not _is(record, program, pid)


def _end(record: LabRecord, program: Program, ended: Callable[[], bool], grace: float | None) -> None:
    """Wait until a program that was asked to end has ended; after its grace it is killed."""
    folder = record.services()[program.host]
    limit = supervision.grace(folder, program.name) if grace is None else grace

    def running() -> str:
        return "" if ended() else "it runs"

    if remains(running, limit, pause=_PAUSE):
        supervision.crash(folder, program.name)
    readiness.wait(record, running, f"the end of {program}", _ENDING, pause=_PAUSE)


def _bring_back(record: LabRecord, program: Program, progress: Progress, since: float, timeout: float) -> None:
    supervision.start(record.services()[program.host], program.name)
    readiness.wait(record, lambda: _unserved(record, program, since, progress), str(program), timeout)
    if program.name in _SERVING:
        serving.wait(record, program.host, progress, timeout)


def _unserved(record: LabRecord, program: Program, since: float, progress: Progress) -> str:
    """Say what keeps a program that was started after ``since`` from serving; empty when it serves."""
    seen = supervision.status(record.services()[program.host], program.name)[program.name]
    if not seen.running:
        return "it does not run"
    agents = next((host.agents for host in record.hosts if host.name == program.host), ())
    if program.name in agents:
        return fault.unheard(record, program.host, [program.name], since, progress)
    if program.name == "ovs-vswitchd":
        return silent(record, program.host)
    if not program.host and program.name in readiness.SIGNS:
        return readiness.SIGNS[program.name](record)
    return "" if seen.seconds >= _STEADY else "it was started just now"


def silent(record: LabRecord, host: str) -> str:
    """Say why a host's switch does not answer; empty when it does."""
    try:
        process.run([*sandbox.enter_host(record, host), "ovs-appctl", "--timeout=5", "version"])
    except FakevmError as exc:
        return exc.what
    return ""
