"""Archives that the Linux kernel unpacks as its first root file system: cpio, "newc" (kernel: initramfs buffer format).

Several may follow one another in one file; later ones add to, and replace, what earlier ones have.
"""

from __future__ import annotations

import stat
from collections.abc import Iterable
from typing import NamedTuple

_PAGE = 4


class Entry(NamedTuple):
    """A file, a folder, a link or a device of an archive; ``mode`` has its type, too (stat(2))."""

    name: str
    mode: int
    content: bytes = b""
    device: tuple[int, int] = (0, 0)


def file(name: str, content: bytes | str, mode: int = 0o644) -> Entry:
    """Describe a file."""
    return Entry(name, stat.S_IFREG | mode, content.encode() if isinstance(content, str) else content)


def folder(name: str, mode: int = 0o755) -> Entry:
    """Describe a folder."""
    return Entry(name, stat.S_IFDIR | mode)


def link(name: str, target: str) -> Entry:
    """Describe a symbolic link."""
    return Entry(name, stat.S_IFLNK | 0o777, target.encode())


def character_device(name: str, major: int, minor: int) -> Entry:
    """Describe a character device."""
    return Entry(name, stat.S_IFCHR | 0o600, b"", (major, minor))


def packed(entries: Iterable[Entry]) -> bytes:
    """Pack an archive; what is in a folder comes after it."""
    parts = [_one(number, entry) for number, entry in enumerate(entries, start=1)]
    return b"".join([*parts, _one(0, Entry("TRAILER!!!", 0))])


def _one(number: int, entry: Entry) -> bytes:
    name = entry.name.encode() + b"\0"
    fields = (number, entry.mode, 0, 0, 1, 0, len(entry.content), 0, 0, *entry.device, len(name), 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields)
    return _padded(head + name) + _padded(entry.content)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % _PAGE)
