"""Ends labs, whatever their state."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

from fakevm.errors import LabFailed, NotFound
from fakevm.guest import groups
from fakevm.linux import tree

from . import registry, sandbox


def down(name: str) -> None:
    """End a lab, whatever its state, and remove its folder. Raises NotFound, Prerequisite, TimedOut, LabFailed."""
    if name not in registry.names():
        raise NotFound(f"there is no lab {name!r}", hint=registry.known())
    if not os.access(registry.root() / name, os.R_OK | os.W_OK | os.X_OK):
        raise registry.not_ours(f"lab {name!r}", registry.root() / name)
    remove(registry.root() / name)


def remove(directory: Path) -> None:
    """End what runs in a lab's folder, then remove the folder."""
    with uninterrupted(), sandbox.ended(directory):
        erase(directory)


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Keep a second Ctrl-C from leaving half a lab: what runs in here is short and has its own deadline."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {
        signum: signal.signal(signum, signal.SIG_IGN) for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    try:
        yield
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


def erase(directory: Path) -> None:
    """Remove a folder, if it is there. Raises LabFailed."""
    try:
        groups.remove_all(directory)
        tree.remove(directory)
    except OSError as exc:
        raise LabFailed(f"the folder {directory} could not be removed: {exc}") from exc
