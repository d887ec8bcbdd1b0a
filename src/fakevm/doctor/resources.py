"""Memory, disk space, and the installed Neutron releases."""

from __future__ import annotations

import shutil
from pathlib import Path

from fakevm import release
from fakevm.errors import FakevmError

from .finding import Finding, Status

GIB = 2**30
# The default lab: two compute hosts, a network host, Neutron, database and broker.
LAB_MEMORY = int(2.5 * GIB)
# A release's environment, its database template, and a lab's data and logs.
DISK = 2 * GIB
_CGROUP = Path("/sys/fs/cgroup")


def _gib(size: int) -> str:
    return f"{size / GIB:.1f} GiB"


def cgroup_room(folder: Path = _CGROUP) -> tuple[int, int] | None:
    """Give (limit, what is left of it) in bytes of the container that we are in, None without a limit."""
    try:
        limit = int((folder / "memory.max").read_text())
        return limit, limit - int((folder / "memory.current").read_text())
    except (OSError, ValueError):  # no cgroup v2, or "max"
        return None


def judge_memory(total: int, available: int) -> Finding:
    """Say whether the default lab fits (bytes)."""
    status = Status.OK if available >= LAB_MEMORY else Status.LIMITED if total >= LAB_MEMORY else Status.MISSING
    return Finding(
        kind="resource",
        name="memory",
        status=status,
        detail=f"{_gib(available)} of {_gib(total)} available, the default lab takes {_gib(LAB_MEMORY)}",
        without_it="the default lab",
        remedy="end other programs, or use a lab with fewer hosts",
        required=True,
    )


def memory() -> Finding:
    """Look at the machine's memory, and at the container's share of it."""
    # As of linux/limits.py.
    import psutil

    seen = psutil.virtual_memory()
    room = cgroup_room()
    if room is None:
        return judge_memory(seen.total, seen.available)
    return judge_memory(min(seen.total, room[0]), min(seen.available, room[1]))


def disk(folder: Path, purpose: str) -> Finding:
    """Look at the space where something will be written."""
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    free = shutil.disk_usage(existing).free
    return Finding(
        kind="resource",
        name=f"disk space for {purpose}",
        status=Status.OK if free >= DISK else Status.MISSING,
        detail=f"{_gib(free)} free in {folder}",
        without_it=purpose,
        remedy=f"free {_gib(DISK)}, or choose another folder with {_VARIABLES[purpose]}",
        required=True,
    )


_VARIABLES = {"Neutron releases": "FAKEVM_CACHE", "labs": "FAKEVM_LABS"}


def neutron(version: str) -> Finding:
    """Look for an installed release, else for the Python that it can be installed with."""
    detail, status, remedy = "", Status.OK, f"fakevm release install {version}"
    try:
        detail = str(release.path(version))
    except FakevmError as exc:
        detail, status = exc.what, Status.MISSING
        try:
            release.find_python(version)
        except FakevmError as lacking:
            detail, remedy = lacking.what, lacking.hint
    return Finding(
        kind="release",
        name=f"neutron {version}",
        status=status,
        detail=detail,
        without_it=f"labs of Neutron {version}",
        remedy=remedy,
        required=version == release.DEFAULT,
    )


def check(labs: Path) -> list[Finding]:
    """Look at all that a lab uses up."""
    space = [disk(release.own_cache(), "Neutron releases"), disk(labs, "labs")]
    return [memory(), *space, *(neutron(version) for version in release.shipped())]
