"""One process at a time: the kernel's locks of files and folders. They end with who holds them, however it ends."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from fakevm.errors import Conflict
from fakevm.waiting import until

_PAUSE = 0.05


def _silent() -> None:
    """Tell nobody."""


@contextmanager
def held(path: Path, timeout: float, waiting: Callable[[], None] = _silent) -> Iterator[None]:
    """Hold the lock of a file or folder that is there; threads of one process keep one another out, too.

    :param timeout: seconds to wait for another holder
    :param waiting: called once, when there is another
    :raises TimedOut: another holds it still
    :raises OSError: the path cannot be opened
    """
    lock = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if not _taken(lock):
            waiting()
            until(
                lambda: "" if _taken(lock) else "another process holds it", f"{path} was not free", timeout,
                pause=_PAUSE, hint="See which process with: lslocks",
            )  # fmt: skip
        yield
    finally:
        os.close(lock)


@contextmanager
def alone(path: Path, doing: str) -> Iterator[None]:
    """Do something that nobody else may do at the same time; ``path`` is a file that is made, and says who does what.

    :param doing: what is done, such as "lab apply"
    :raises Conflict: another does something, which is said
    :raises OSError: the file cannot be written
    """
    with path.open("a+") as file:
        if not _taken(file.fileno()):
            file.seek(0)
            raise Conflict(
                file.read() or "another command has just begun to change it",
                hint="Wait for that command, or end it; then try again.",
            )
        file.truncate(0)
        since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
        file.write(f"{doing} is under way since {since} (process {os.getpid()})")
        file.flush()
        yield


def _taken(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
