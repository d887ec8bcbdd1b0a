"""The standard streams of a command: what cannot be written is an error that is told, once, and no traceback.

A command may be started with one of them closed (``>&-``). The next file or socket that is opened would then get its
number, and be written to; so each is opened before anything else is.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import Any

from fakevm.errors import OutputLost


class _Output(io.FileIO):
    """Standard output: raises OutputLost when it cannot be written; afterwards it takes what comes, and forgets it."""

    _lost = False

    def write(self, data: Any) -> int:
        if self._lost:
            return len(data)
        try:
            return super().write(data) or 0
        except BrokenPipeError:
            raise
        except OSError as exc:
            self._lost = True
            reason = "it is closed" if exc.errno == errno.EBADF else exc.strerror
            raise OutputLost(f"standard output cannot be written: {reason}") from exc


class _Complaints(io.FileIO):
    """Standard error: what cannot be written there can be told nowhere, and is no reason to stop half-way."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data) or 0
        except OSError:
            return len(data)


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
        sys.stdout = _text(_Output(1, "w", closefd=False), os.isatty(1))
    if sys.stderr is sys.__stderr__:
        sys.stderr = _text(_Complaints(2, "w", closefd=False), True)


def _text(raw: io.FileIO, line_buffering: bool) -> io.TextIOWrapper:
    # Names may hold what the user's locale, or no locale, has a sign for.
    return io.TextIOWrapper(io.BufferedWriter(raw), errors="backslashreplace", line_buffering=line_buffering)


def discard() -> None:
    """Let nothing more be written to standard output: whoever read it is gone, and Python flushes it at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
