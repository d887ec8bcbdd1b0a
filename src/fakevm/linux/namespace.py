"""Network namespaces with a name, as ``ip netns`` keeps them in /run/netns."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import TypeVar

DIRECTORY = Path("/run/netns")
# What the kernel knows a namespace by: device and inode number.
Identity = tuple[int, int]
Answer = TypeVar("Answer")
# linux/sched.h
_CLONE_NEWNET = 0x40000000


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


def inside(name: str, work: Callable[[], Answer]) -> Answer:
    """Do something in a namespace: look into /proc/sys/net, open a socket, which belongs to where it was made.

    A thread of its own goes there, as the kernel moves threads (setns(2)), and ends; no process is needed.

    :raises OSError: there is no such namespace, or it may not be entered; what ``work`` raises
    """
    return _inside(DIRECTORY / name, work)


def inside_of(pid: int, name: str, work: Callable[[], Answer]) -> Answer:
    """Do something in a namespace that has its name where a process has its files. Raises as ``inside``."""
    return _inside(_seen_by(pid, name), work)


def exists_of(pid: int, name: str) -> bool:
    """Tell whether a namespace is there that has its name where a process has its files."""
    return _identity(_seen_by(pid, name)) is not None


def _seen_by(pid: int, name: str) -> Path:
    return Path(f"/proc/{pid}/root{DIRECTORY / name}")


def _inside(place: Path, work: Callable[[], Answer]) -> Answer:
    # Not at the top: 'exec', which must be quick, imports this module, and needs neither.
    from concurrent.futures import ThreadPoolExecutor

    def done() -> Answer:
        _enter(place)
        return work()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(done).result()


def opened(name: str) -> socket.socket:
    """Open a socket in a namespace, to ask about devices there. Raises OSError: as ``inside``."""
    return inside(name, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))


def _enter(place: Path) -> None:
    """Move this thread, for good."""
    import ctypes

    # Python 3.11 has no os.setns.
    libc = ctypes.CDLL(None, use_errno=True)
    with place.open("rb") as namespace:
        if libc.setns(namespace.fileno(), _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(place))


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
