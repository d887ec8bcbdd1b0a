"""The trees of processes in a container guest: which there are, and what keeps one from being moved.

Each process that the guest's first one has taken over, or that was started from outside, is the root of one. The first
process itself is no part of any: each place where the guest is has its own.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from fakevm import errors
from fakevm.linux.process import run

from ..place import processes_directory

_log = logging.getLogger(__name__)

_INIT = 1
# In a line of ss(8): the column of the peer's number; two before it is the socket's own.
_PEER = 7
# Files that are in no mount that a process could have.
_KERNELS_OWN = ("/memfd:", "/dev/zero (deleted)", "/SYSV", "/[aio]")
_NULL = "/dev/null"
# linux/major.h: the kernel's memory (null, zero, random…), terminals, those of /dev/pts.
_KNOWN_DEVICES = {1, 5, *range(136, 144)}
# What CRIU cannot write down.
_UNKNOWN = ("anon_inode:[io_uring]", "anon_inode:[perf_event]", "anon_inode:[userfaultfd]", "anon_inode:bpf")


class Tree(NamedTuple):
    """A tree of processes: its root as the guest numbers it, and what that is called.

    ``highest`` is the highest number that one of its processes or threads has. ``keeper`` is the process of the host's
    that keeps it running, 0 when none does; ``running`` are those of its processes that are not stopped. ``outside`` is
    what is open in it that is not the guest's own, by CRIU's name of it. ``problems`` says why it cannot be moved;
    empty: it can.
    """

    number: int
    highest: int
    name: str
    keeper: int
    running: tuple[int, ...]
    outside: Mapping[str, str]
    problems: tuple[str, ...]


class _Process(NamedTuple):
    number: int
    parent: int
    session: int
    name: str
    stopped: bool


def find(namespace: str, kept: Mapping[int, str]) -> list[Tree]:
    """Find the trees of a guest.

    :param kept: processes of the host's that keep a daemon of the guest's, and the file that it speaks to: it may have
        that open, and the host's /dev/null
    """
    place = processes_directory(namespace)
    there = {process.number: process for process in _processes(place)}
    mounts = _mounts(place)
    pids = numbers(namespace)
    roots = [root for root in there.values() if root.parent in (0, _INIT) and root.number != _INIT]
    trees = []
    for root in roots:
        pid = pids.get(root.number, 0)
        keeper = next((keeper for keeper in (pid, _parent(pid)) if keeper in kept), 0)
        outside: dict[str, str] = {}
        below = list(_below(root, there))
        problems = [
            problem for process in below for problem in _problems(place, process, mounts, kept.get(keeper, ""), outside)
        ]
        running = tuple(process.number for process in below if not process.stopped)
        highest = max(_highest(place, process.number) for process in below)
        trees.append(Tree(root.number, highest, root.name, keeper, running, outside, tuple(dict.fromkeys(problems))))
    joined = _joined({root.number: _channels(place, _below(root, there)) for root in roots}, namespace)
    return [tree._replace(problems=(*tree.problems, *_of_others(tree, trees, joined))) for tree in trees]


def _of_others(tree: Tree, trees: Sequence[Tree], joined: Mapping[int, set[int]]) -> Iterator[str]:
    """Say which other trees one is joined to: CRIU writes each down by itself."""
    for other in trees:
        if other.number in joined.get(tree.number, ()):
            yield f"{tree.name} ({tree.number}) has a pipe or a Unix socket with {other.name} ({other.number})"


def _channels(place: Path, below: Iterable[_Process]) -> set[str]:
    """List the pipes and sockets that a tree has open, as /proc calls them."""
    found = set()
    for process in below:
        with contextlib.suppress(OSError):  # it has ended
            for descriptor in (place / str(process.number) / "fd").iterdir():
                with contextlib.suppress(OSError):
                    found.add(str(descriptor.readlink()))
    return {channel for channel in found if channel.startswith(("pipe:", "socket:"))}


def _joined(channels: Mapping[int, set[str]], namespace: str) -> dict[int, set[int]]:
    """Find which trees have an end each of something."""
    if len(channels) < 2:
        return {}
    peers = _peers(namespace)
    found: dict[int, set[int]] = {}
    for tree, own in channels.items():
        ends = own | {peers[channel] for channel in own if channel in peers}
        found[tree] = {other for other, theirs in channels.items() if other != tree and ends & theirs}
    return found


def _peers(namespace: str) -> dict[str, str]:
    """Give the other end of each Unix socket of a guest."""
    try:
        said = run(["nsenter", f"--net=/run/netns/{namespace}", "ss", "-xaHn"])
    except errors.FakevmError as problem:  # CRIU meets them, then
        _log.warning("cannot see which processes are connected: %s", problem.what)
        return {}
    rows = (line.split() for line in said.splitlines())
    return {f"socket:[{row[5]}]": f"socket:[{row[7]}]" for row in rows if len(row) > _PEER}


def numbers(namespace: str) -> dict[int, int]:
    """Give the host's number of each process of a guest, by the guest's own."""
    try:
        own = (processes_directory(namespace) / "1/ns/pid").stat().st_ino
    except OSError:
        return {}
    found = {}
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            try:
                if (path / "ns/pid").stat().st_ino == own:
                    found[int(_status(path)["NSpid"].split()[-1])] = int(path.name)
            except (OSError, KeyError):
                continue
    return found


def there(namespace: str) -> list[int]:
    """List the numbers that a guest's processes have, those that have ended and are not forgotten yet, too."""
    try:
        return [int(path.name) for path in processes_directory(namespace).iterdir() if path.name.isdigit()]
    except OSError:
        return []


def _processes(place: Path) -> Iterator[_Process]:
    for path in place.iterdir():
        if path.name.isdigit():
            try:
                status = _status(path)
                session = int((path / "stat").read_text().rpartition(")")[2].split()[3])
            except (OSError, IndexError):  # it has ended
                continue
            if not status["State"].startswith(("Z", "X")):
                stopped = status["State"].startswith("T")
                yield _Process(int(path.name), int(status["PPid"]), session, status["Name"], stopped)


def _below(root: _Process, there: Mapping[int, _Process]) -> Iterator[_Process]:
    yield root
    for process in there.values():
        if process.parent == root.number:
            yield from _below(process, there)


def _problems(
    place: Path, process: _Process, mounts: frozenset[str], log: str, outside: dict[str, str]
) -> Iterator[str]:
    """Say what of a process cannot be moved; what it has open outside and may have comes to ``outside``."""
    who = f"{process.name} ({process.number})"
    if process.session == 0:
        yield f"{who} was started from outside, and somebody waits for it there"
        return
    try:
        descriptors = list((place / str(process.number) / "fd").iterdir())
    except OSError:  # it has ended
        return
    for descriptor in descriptors:
        try:
            target = str(descriptor.readlink())
            mount = _mount_of(place / str(process.number) / "fdinfo" / descriptor.name)
            seen = descriptor.stat()
        except OSError:  # it was closed
            continue
        if target.startswith(_UNKNOWN):
            yield f"{who} uses {target.partition(':')[2].strip('[]')}"
        elif target.startswith("/") and mount not in mounts and not target.startswith(_KERNELS_OWN):
            if log and target in (_NULL, log):
                outside[f"file[{int(mount):x}:{seen.st_ino:x}]"] = _NULL if target == _NULL else "log"
            else:
                yield f"{who} has {target} open, which is not the guest's own"
        elif target.startswith("/dev/") and os.major(seen.st_rdev) not in _KNOWN_DEVICES and seen.st_rdev:
            yield f"{who} uses the device {target}"


def _highest(place: Path, number: int) -> int:
    try:
        return max(int(path.name) for path in (place / str(number) / "task").iterdir())
    except (OSError, ValueError):  # it has ended
        return number


def _mounts(place: Path) -> frozenset[str]:
    return frozenset(line.split()[0] for line in (place / f"{_INIT}/mountinfo").read_text().splitlines())


def _mount_of(info: Path) -> str:
    found = [line for line in info.read_text().splitlines() if line.startswith("mnt_id:")]
    return found[0].split()[1] if found else ""


def _status(path: Path) -> dict[str, str]:
    lines = (line.partition(":") for line in (path / "status").read_text().splitlines())
    return {name: value.strip() for name, _, value in lines}


def _parent(pid: int) -> int:
    try:
        return int(_status(Path("/proc", str(pid)))["PPid"])
    except (OSError, KeyError):
        return 0
