"""Network namespaces with a name, as ``ip netns`` keeps them in /run/netns."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

DIRECTORY = Path("/run/netns")
# What the kernel knows a namespace by: device and inode number.
Identity = tuple[int, int]


def names(prefix: str) -> list[str]:
    """List the namespaces whose name begins with ``prefix``."""
    try:
        return sorted(path.name for path in DIRECTORY.iterdir() if path.name.startswith(prefix))
    except FileNotFoundError:
        return []


def exists(name: str) -> bool:
    """Tell whether the namespace is there: its name, and a namespace mounted on it."""
    return _identity(DIRECTORY / name) is not None


def remove(name: str) -> None:
    """Take a namespace's name away; the kernel removes it, with its devices, after its last user has gone.

    :raises OSError: the kernel refused
    """
    from pyroute2 import netns

    if (DIRECTORY / name).exists():
        netns.remove(name)


def _identity(path: Path) -> Identity | None:
    try:
        seen = path.stat()
        return (seen.st_dev, seen.st_ino) if seen.st_dev == Path("/proc/self/ns/net").stat().st_dev else None
    except OSError:
        return None


def identities(namespaces: Iterable[str]) -> set[Identity]:
    """Find out what the kernel knows these namespaces by, those that are there."""
    found = (_identity(DIRECTORY / name) for name in namespaces)
    return {identity for identity in found if identity}


def processes(wanted: Collection[Identity]) -> list[int]:
    """List the processes that run in any of these namespaces, also when its name is gone."""
    if not wanted:
        return []
    everything = (path for path in Path("/proc").iterdir() if path.name.isdigit())
    return [int(path.name) for path in everything if _identity(path / "ns/net") in wanted]
