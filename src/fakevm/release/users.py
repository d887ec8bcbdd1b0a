"""Who runs programs of a release's environment just now."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from fakevm import errors

# Beside an environment: who makes or removes it has it alone.
LOCK = "lock"


def processes(venv: Path) -> list[int]:
    """List the ids of the processes whose command line names a file of ``venv``; others' are seen too."""
    inside = f"{venv}/".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:  # it has ended
                continue
            # Programs of the environment are started by their full path: word 0, or word 1 behind its Python.
            if any(word.startswith(inside) for word in words[:2]):
                found.append(int(entry.name))
    return sorted(found)


@contextlib.contextmanager
def coming(venv: Path) -> Iterator[None]:
    """Keep an environment from being removed while a lab comes up that has no process of it yet; many may do so."""
    with contextlib.ExitStack() as held:
        # What is there without it nobody removes.
        with contextlib.suppress(OSError):
            lock = os.open(venv.parent / LOCK, os.O_RDONLY | os.O_CLOEXEC)
            held.callback(os.close, lock)
            fcntl.flock(lock, fcntl.LOCK_SH)
        yield


def is_coming(venv: Path) -> bool:
    """Tell whether somebody makes or removes an environment just now, or a lab comes up with it."""
    with contextlib.suppress(FileNotFoundError):
        lock = os.open(venv.parent / LOCK, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(lock)
    return False


def refuse_if_used(venv: Path) -> None:
    """Raise Conflict when a running lab would lose the ground it stands on."""
    if pids := processes(venv):
        some = ", ".join(map(str, pids[:8])) + (" …" if len(pids) > 8 else "")
        raise errors.Conflict(
            f"{venv} is in use by the processes {some}",
            hint="Take the labs that use it down first: fakevm lab list",
        )
