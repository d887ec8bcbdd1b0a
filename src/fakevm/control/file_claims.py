"""Claims in a folder, for labs without a broker: locks of the kernel's, which end with who holds them (flock(2))."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path

from fakevm.errors import Unreachable

from .claims import UNSAID, Claims, Thing, said


class FileClaims(Claims):
    """A file for each thing that was ever claimed in the ``folder``; it says what for."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self._files: dict[str, TextIOWrapper] = {}

    def claim(self, thing: Thing, doing: str) -> str:
        """See Claims."""
        with _translated(self._folder):
            self._folder.mkdir(exist_ok=True)
            file = (self._folder / thing.lock).open("a+")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                with file:
                    return file.read() or UNSAID
            self._files[thing.lock] = file
            file.truncate(0)
            file.write(said(doing))
            file.flush()
        return ""

    def give_back(self, thing: Thing) -> None:
        """See Claims."""
        with _translated(self._folder), self._files.pop(thing.lock) as file:
            file.truncate(0)


@contextmanager
def _translated(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as problem:
        raise Unreachable(f"could not claim a guest in {folder}: {problem.strerror}") from problem
