"""The standard streams of a command: what cannot be written is an error that is told, once, and no traceback.

A command may be started with one of them closed (``>&-``). The next file or socket that is opened would then get its
number, and be written to; so each is opened before anything else is.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
from collections.abc import Iterator

from fakevm.errors import OutputLost

# Names may hold what the user's locale, or no locale, has a sign for.
_UNKNOWN = "backslashreplace"


class _Output(io.TextIOWrapper):
    """Standard output: raises OutputLost when it cannot be written; afterwards it takes what comes, and forgets it.

    Nothing of ours is between the buffer and the file: interrupted there, by Ctrl-C, the buffer would take what is
    written for unwritten, and write it again at the end.
    """

    def write(self, text: str) -> int:
        """Write."""
        with _lost_is_told():
            return super().write(text)

    def flush(self) -> None:
        """Write what is in the buffer."""
        with _lost_is_told():
            super().flush()


@contextlib.contextmanager
def _lost_is_told() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as exc:
        discard()
        reason = "it is closed" if exc.errno == errno.EBADF else exc.strerror
        raise OutputLost(f"standard output cannot be written: {reason}") from exc


class _Complaints(io.TextIOWrapper):
    """Standard error: what cannot be written there can be told nowhere, and is no reason to stop half-way."""

    def write(self, text: str) -> int:
        """Write."""
        with _lost_is_lost():
            return super().write(text)
        return len(text)

    def flush(self) -> None:
        """Write what is in the buffer."""
        with _lost_is_lost():
            super().flush()


@contextlib.contextmanager
def _lost_is_lost() -> Iterator[None]:
    try:
        yield
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def prepare() -> None:
    """Open what is closed of the standard streams, and put ours in the place of Python's own."""
    # Reading only: to write to a closed stream stays an error, here and in the programs that we become.
    for number, mode in ((0, os.O_RDONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            # The lowest number that is free is given, and all below are taken.
            os.open(os.devnull, mode)
    # Whoever runs us inside another program (a test) has put streams of its own there.
    if sys.stdout is sys.__stdout__:
        sys.stdout = _Output(_buffer(1), errors=_UNKNOWN, line_buffering=os.isatty(1))
    if sys.stderr is sys.__stderr__:
        sys.stderr = _Complaints(_buffer(2), errors=_UNKNOWN, line_buffering=True)


def _buffer(number: int) -> io.BufferedWriter:
    return io.BufferedWriter(io.FileIO(number, "w", closefd=False))


def discard() -> None:
    """Let nothing more be written to standard output: whoever read it is gone, and Python flushes it at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
