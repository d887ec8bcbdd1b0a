"""A file that is written beside what a command shows: it is refused before the work, where that can be known."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from fakevm.errors import InvalidInput


def check(path: Path) -> None:
    """Raise InvalidInput when a file cannot be written: better known before the work than after it."""
    try:
        _check(path)
    except OSError as exc:
        raise _unwritable(path, exc) from exc


def _check(path: Path) -> None:
    """Raise the OSError that writing would meet; the file is left as it is, or not there."""
    try:
        path.stat()
    except FileNotFoundError:
        if not path.parent.is_dir():
            raise FileNotFoundError(errno.ENOENT, f"there is no folder {path.parent}") from None
        _require(path.parent, os.W_OK | os.X_OK)
        return
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    _require(path, os.W_OK)


def _require(path: Path, mode: int) -> None:
    if not os.access(path, mode):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def write(path: Path, text: str) -> None:
    """Write a file. Raises InvalidInput."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as exc:
        raise _unwritable(path, exc) from exc


def _unwritable(path: Path, problem: OSError) -> InvalidInput:
    return InvalidInput(f"cannot write {path}: {problem.strerror}", hint="Name a file that you may write.")
