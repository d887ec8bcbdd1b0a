"""What a guest has said on its console: a file in its place in its kind's folder, of which the end is kept.

Whoever writes it appends, and keeps it open: so it stays the same file.
"""

from __future__ import annotations

import os
from pathlib import Path

from .birth.files import CONSOLE as NAME

__all__ = ["NAME", "last_bytes", "read", "shorten"]

# Bytes of a file, at most, and how many are left of one that has more: not fewer than anybody asks for.
_MOST, _KEPT = 16 << 20, 1 << 20


def read(place: Path, most: int) -> bytes:
    """Read the end of what the guest with this place has said; nothing when it has not begun. Raises OSError."""
    try:
        return last_bytes(place / NAME, most)
    except FileNotFoundError:
        return b""


def last_bytes(file: Path, most: int) -> bytes:
    """Read the end of a file, of which a guest may have made anything. Raises OSError."""
    with file.open("rb") as source:
        source.seek(max(0, source.seek(0, os.SEEK_END) - most))
        return source.read(most)


def shorten(file: Path) -> bool:
    """Leave the end of a file that has grown long; False: it has not. What is said in this moment may be lost.

    Raises OSError.
    """
    if file.lstat().st_size <= _MOST:
        return False
    with os.fdopen(os.open(file, os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC), "r+b") as log:
        log.seek(-_KEPT, os.SEEK_END)
        end = log.read(_KEPT)
        log.truncate(0)
        log.write(end)
    return True
