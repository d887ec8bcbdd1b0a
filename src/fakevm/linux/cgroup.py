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
    """Try whether memory and processors can be limited; says why not."""
    try:
        remove(make({MEMORY: 1 << 30, CPU: 1.0}))
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
    parent = _handing_on(place, controllers) if place.second else place.own
    return Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))


def _handing_on(place: _Place, controllers: set[str]) -> Path:
    """Find the nearest group that gives those below it the controllers, or can be made to."""
    group, refusal = place.own, "no group around ours has its controllers to give"
    while True:
        try:
            if missing := controllers - set((group / "cgroup.subtree_control").read_text().split()):
                (group / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in sorted(missing)))
            # Processes come into it by way of the group that is above both.
            if os.access(group, os.W_OK) and os.access(group / "cgroup.procs", os.W_OK):
                return group
            refusal = f"{group} is not ours to write to"
        except OSError as exc:
            refusal = f"{group}: {exc.strerror}"
        if group == place.top:
            raise Refused(refusal)
        group = group.parent


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
