"""What is changed in CRIU's images of processes before they run again (criu.org/Images)."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from . import wire

# Two numbers that say what it is, each of 4 bytes; then, for each message, its length.
_HEADER, _LENGTH = 8, 4
# core.proto: core_entry.thread_core, thread_core_entry.pdeath_sig
_SIGNAL_OF_PARENTS_END = (5, 8)


def let_outlive_parents(folder: Path) -> None:
    """Let no process get a signal when its parent ends, as those have that are started from outside.

    The parent of a tree's root would be CRIU, which ends at once. Raises OSError, ValueError, IndexError: no images.
    """
    for path in folder.glob("core-*.img"):
        image = content(path)
        kept, position = [image[:_HEADER]], _HEADER
        while position < len(image):
            end = position + _LENGTH + int.from_bytes(image[position : position + _LENGTH], "little")
            message = wire.without(image[position + _LENGTH : end], _SIGNAL_OF_PARENTS_END)
            kept += [len(message).to_bytes(_LENGTH, "little"), message]
            position = end
        path.unlink()
        with path.open("xb") as anew:
            anew.write(b"".join(kept))


def content(path: Path) -> bytes:
    """Read what CRIU has written. Raises OSError, also of no file: who rules the guest may put some there."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(f"{path} is no file")
        return file.read()
