"""Network namespaces with a name, as ``ip netns`` keeps them in /run/netns."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

DIRECTORY = Path("/run/netns")


def names(prefix: str) -> list[str]:
    """List the namespaces whose name begins with ``prefix``."""
    try:
        return sorted(name for name in os.listdir(DIRECTORY) if name.startswith(prefix))
    except FileNotFoundError:
        return []


def exists(name: str) -> bool:
    """Tell whether the namespace is there: its name, and a namespace mounted on it (a reboot leaves neither)."""
    return _identity(DIRECTORY / name) is not None


def remove(name: str) -> None:
    """Take a namespace's name away; the kernel removes it, with its devices, some time after its last user has gone.

    :raises OSError: the kernel refused
    """
    from pyroute2 import netns

    if (DIRECTORY / name).exists():
        netns.remove(name)


def _identity(path: Path | str) -> tuple[int, int] | None:
    try:
        seen = os.stat(path)
        return (seen.st_dev, seen.st_ino) if seen.st_dev == os.stat("/proc/self/ns/net").st_dev else None
    except OSError:
        return None


def processes(namespaces: Iterable[str]) -> list[int]:
    """List the processes that run in any of these namespaces."""
    wanted = {_identity(DIRECTORY / name) for name in namespaces} - {None}
    if not wanted:
        return []
    return [int(pid) for pid in os.listdir("/proc") if pid.isdigit() and _identity(f"/proc/{pid}/ns/net") in wanted]
