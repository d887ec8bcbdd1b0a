"""The files that were imported, as they were then."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from typing import NamedTuple

# Seconds for which an answer is good: many programs are started at once.
_FRESH = 0.5


class _Mark(NamedTuple):
    """What changes when a file is written, or another one is put in its place."""

    inode: int
    size: int
    written: int
    changed: int


class Sources:
    """Knows which files this process has imported.

    ``strict``: what is written while it is imported counts as changed, as nobody knows which of both was read.
    """

    def __init__(self, *, strict: bool) -> None:
        self._strict = strict
        self._noted: dict[str, _Mark | None] = {}
        self._looked = 0.0

    @contextlib.contextmanager
    def noted(self) -> Iterator[None]:
        """Note what is imported meanwhile, and all that was before."""
        begun = time.time_ns()
        yield
        # Some modules import others when they are asked for what they have not got; some are no modules at all.
        files = {getattr(module, "__dict__", {}).get("__file__") for module in list(sys.modules.values())}
        for file in files - self._noted.keys():
            if isinstance(file, str) and (mark := _mark(file)):
                self._noted[file] = None if self._strict and mark.changed > begun else mark

    def moved(self) -> None:
        """Note them as they are here: a lab has a copy of /etc, where some of Python's own are, too."""
        self._noted = {file: mark for file in self._noted if (mark := _mark(file))}

    def changed(self) -> str:
        """Name a file that is not as it was when it was imported; empty when there is none."""
        if time.monotonic() < self._looked + _FRESH:
            return ""
        found = next((file for file, noted in self._noted.items() if not noted or _mark(file) != noted), "")
        self._looked = 0.0 if found else time.monotonic()
        return found


def _mark(file: str) -> _Mark | None:
    try:
        # Path.stat takes twice the time, for each of some thousands.
        seen = os.stat(file)  # noqa: PTH116
    except OSError:
        return None
    return _Mark(seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns)
