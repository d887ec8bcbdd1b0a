"""Control groups, which limit the memory and the processors of processes: the kernel's first version and its second.

A group is made as near to our own as this process may: with the first version below it, for each controller; with the
second in the nearest group around it that has the controllers to give, since a group with processes of its own cannot
(cgroup-v2.rst, "No Internal Process Constraint").
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

MEMORY, CPU = "memory", "cpu"
_PERIOD = 100_000
_PREFIX = "fakevm-"
_OF_PROCESS = Path("/proc/self")
# Of the second version: the controllers that a group gives those below it.
_HANDED_ON = "cgroup.subtree_control"
# The map of user ids where there is no user namespace.
_ALL_IDS = ["0", "0", "4294967295"]
# How long (seconds) the last process of a group may take to be gone from it.
_REMOVAL = 5.0


class _Place(NamedTuple):
    """Where groups of some controllers can be: our own group's folder, and that of the topmost that we see."""

    own: Path
    top: Path
    controllers: frozenset[str]
    second: bool


class Refused(Exception):
    """There can be no such group; the message says why."""


def make(limits: Mapping[str, float]) -> list[Path]:
    """Make groups that limit what comes into them, which is nobody yet; gives their folders.

    :param limits: ``memory`` in bytes, ``cpu`` in processors
    :raises Refused: it may not be done here; nothing is left
    """
    made: list[Path] = []
    try:
        for place, controllers in _places(limits).items():
            group = _make(place, controllers)
            made.append(group)
            for controller in sorted(controllers):
                _limit(group, controller, limits[controller], second=place.second)
        return made
    except (OSError, Refused) as exc:
        for group in made:
            with contextlib.suppress(OSError):
                _remove(group)
        why = f"{exc.filename}: {exc.strerror}" if isinstance(exc, OSError) else str(exc)
        raise Refused(f"cannot limit {' and '.join(sorted(limits))}: {why}") from exc


def remove(folders: Iterable[Path]) -> None:
    """Remove groups that ``make`` made; those that are not there are no error.

    :raises OSError: there are processes in one
    """
    for folder in folders:
        if folder.name.startswith(_PREFIX):  # so have all that we make
            _remove(folder)


def problem() -> str:
    """Say why memory and processors cannot be limited here; changes no group of anybody's."""
    try:
        for place, controllers in _places((MEMORY, CPU)).items():
            if place.second:
                _parent(place, controllers)
            else:
                remove([_make(place, controllers)])
    except (Refused, OSError) as exc:
        return str(exc)
    return ""


def _places(wanted: Iterable[str]) -> dict[_Place, set[str]]:
    found = list(_mounted())
    chosen: dict[_Place, set[str]] = {}
    for controller in wanted:
        place = next((place for place in found if controller in place.controllers), None)
        if place is None:
            raise Refused(f"there is no control group with the controller {controller} here")
        chosen.setdefault(place, set()).add(controller)
    return chosen


def _mounted() -> Iterator[_Place]:
    """Find the mounted hierarchies, and our place in each (proc_pid_cgroup(5), proc_pid_mountinfo(5)).

    What something else was mounted over is listed, too, and is not there.
    """
    own = {}
    for line in (_OF_PROCESS / "cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        own[controllers] = path
    for line in (_OF_PROCESS / "mountinfo").read_text().splitlines():
        before, _, behind = line.partition(" - ")
        root, mounted_on = before.split()[3:5]
        # What is mounted from nowhere has an empty name between two spaces.
        kind, _, options = behind.split(" ")[:3]
        if kind == "cgroup2" and "" in own:
            top = Path(mounted_on)
            with contextlib.suppress(OSError, ValueError):
                here = top / Path(own[""]).relative_to(root)
                yield _Place(here, top, frozenset((top / "cgroup.controllers").read_text().split()), second=True)
        elif kind == "cgroup":
            words = set(options.split(","))
            for controllers, path in own.items():
                if controllers and set(controllers.split(",")) <= words:
                    with contextlib.suppress(ValueError):
                        here = Path(mounted_on) / Path(path).relative_to(root)
                        if (here / "cgroup.procs").exists():
                            yield _Place(here, Path(mounted_on), frozenset(controllers.split(",")), second=False)


def _make(place: _Place, controllers: set[str]) -> Path:
    parent = place.own
    if place.second:
        parent, missing = _parent(place, controllers)
        if missing:
            (parent / _HANDED_ON).write_text(" ".join(f"+{name}" for name in sorted(missing)))
    return Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))


def _parent(place: _Place, controllers: set[str]) -> tuple[Path, set[str]]:
    """Find the nearest group that gives those below it the controllers, or can be made to; tells which it must be."""
    group, refusal = place.own, "no group around ours has its controllers to give"
    while True:
        try:
            missing = controllers - set((group / _HANDED_ON).read_text().split())
            # Processes come into it by way of the group that is above both.
            if not (os.access(group, os.W_OK) and os.access(group / "cgroup.procs", os.W_OK)):
                refusal = f"{group} is not ours to write to"
            elif missing and not _is_delegated(group):
                refusal = f"{group} gives no group below it {' and '.join(sorted(missing))}, and is the machine's"
            else:
                return group, missing
        except OSError as exc:
            refusal = f"{group}: {exc.strerror}"
        if group == place.top:
            raise Refused(refusal)
        group = group.parent


def _is_delegated(group: Path) -> bool:
    """Tell whether what a group gives is a user's to say, and can be: a group that has processes gives nothing.

    That of the machine's groups is the service manager's: what we would switch on nobody would switch off again.
    """
    is_machines_root = not os.geteuid() and (_OF_PROCESS / "uid_map").read_text().split() == _ALL_IDS
    is_ours = group.stat().st_uid == os.geteuid() and not is_machines_root
    return is_ours and not (group / "cgroup.procs").read_text()


def _limit(group: Path, controller: str, limit: float, *, second: bool) -> None:
    if controller == MEMORY:
        (group / ("memory.max" if second else "memory.limit_in_bytes")).write_text(str(int(limit)))
        # What is over that would go to the machine's swap instead. The first version counts both together.
        swap, most = ("memory.swap.max", 0) if second else ("memory.memsw.limit_in_bytes", int(limit))
        if (group / swap).exists():  # not where the kernel does not count it
            (group / swap).write_text(str(most))
    elif second:
        (group / "cpu.max").write_text(f"{int(limit * _PERIOD)} {_PERIOD}")
    else:
        (group / "cpu.cfs_period_us").write_text(str(_PERIOD))
        (group / "cpu.cfs_quota_us").write_text(str(int(limit * _PERIOD)))


def _remove(group: Path) -> None:
    deadline = time.monotonic() + _REMOVAL
    while True:
        try:
            group.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return
