"""The stream that tcpdump writes, packet by packet as it comes."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from fakevm.errors import CommandFailed

# pcap-savefile(5), in this machine's byte order.
_NANOSECONDS, _MICROSECONDS = 0xA1B23C4D, 0xA1B2C3D4
_HEADER = struct.Struct("=IHHiIII")
_RECORD = struct.Struct("=IIII")


class Packet(NamedTuple):
    """A packet: when it was seen (ns since 1970), what was kept of it, how long it was."""

    at: int
    kept: bytes
    length: int


class Stream:
    """Takes the bytes of a stream in pieces. ``link_type`` is None until its header is there."""

    def __init__(self) -> None:
        self.link_type: int | None = None
        self._left = bytearray()
        self._fraction = 1

    def feed(self, piece: bytes) -> Iterator[Packet]:
        """Give the packets that are complete with this piece. Raises CommandFailed: it is no such stream."""
        self._left += piece
        if self.link_type is None and not self._begin():
            return
        at, left = 0, self._left
        while len(left) - at >= _RECORD.size:
            seconds, fraction, kept, length = _RECORD.unpack_from(left, at)
            end = at + _RECORD.size + kept
            if len(left) < end:
                break
            moment = seconds * 1_000_000_000 + fraction * self._fraction
            yield Packet(moment, bytes(left[at + _RECORD.size : end]), length)
            at = end
        del left[:at]

    def _begin(self) -> bool:
        if len(self._left) < _HEADER.size:
            return False
        magic, *_, link_type = _HEADER.unpack_from(self._left)
        if magic not in (_NANOSECONDS, _MICROSECONDS):
            raise CommandFailed(f"tcpdump wrote something else than packets: {bytes(self._left[:16])!r}")
        self._fraction = 1 if magic == _NANOSECONDS else 1000
        # The upper bits say something else (pcap-linktype(7)).
        self.link_type = link_type & 0xFFFF
        del self._left[: _HEADER.size]
        return True
