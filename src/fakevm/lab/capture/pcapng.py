"""What a capture is written as: pcapng, with a block for each point.

The format is that of draft-ietf-opsawg-pcapng. Our own, as a packet costs microseconds here: the libraries that write
pcapng build an object for each option of each packet.
"""

from __future__ import annotations

import struct

from fakevm import __version__

_SECTION, _INTERFACE, _PACKET, _STATISTICS = 0x0A0D0D0A, 1, 6, 5
_MAGIC = 0x1A2B3C4D
_UNKNOWN_LENGTH = 2**64 - 1
# Options: of every block, of an interface, of its statistics.
_END, _COMMENT = 0, 1
_USER_APPLICATION = 4
_NAME, _DESCRIPTION, _RESOLUTION = 2, 3, 9
_RECEIVED, _DROPPED = 4, 5
_NANOSECONDS = b"\x09"


def section() -> bytes:
    """Write the block that a file begins with."""
    told = _option(_USER_APPLICATION, f"FakeVM {__version__}".encode())
    return _block(_SECTION, struct.pack("=IHHQ", _MAGIC, 1, 0, _UNKNOWN_LENGTH) + told + _option(_END))


def interface(name: str, about: str, link_type: int, longest: int) -> bytes:
    """Write the block of a point; they count from 0, in the order in which they are written.

    :param about: what more is said of it
    :param longest: bytes of a packet that are kept
    """
    options = _option(_NAME, name.encode()) + (_option(_DESCRIPTION, about.encode()) if about else b"")
    options += _option(_RESOLUTION, _NANOSECONDS) + _option(_END)
    return _block(_INTERFACE, struct.pack("=HHI", link_type, 0, longest) + options)


def packet(point: int, at: int, kept: bytes, length: int) -> bytes:
    """Write a packet: its point's number, when it was seen (ns since 1970), what is kept of it, how long it was."""
    head = struct.pack("=IIIII", point, at >> 32, at & 0xFFFFFFFF, len(kept), length)
    return _block(_PACKET, head + kept + b"\0" * (-len(kept) % 4))


def statistics(point: int, at: int, received: int, dropped: int) -> bytes:
    """Write what was seen at a point in all, and what the kernel had to drop."""
    options = _option(_RECEIVED, struct.pack("=Q", received)) + _option(_DROPPED, struct.pack("=Q", dropped))
    return _block(_STATISTICS, struct.pack("=III", point, at >> 32, at & 0xFFFFFFFF) + options + _option(_END))


def _block(kind: int, body: bytes) -> bytes:
    length = struct.pack("=I", len(body) + 12)
    return struct.pack("=I", kind) + length + body + length


def _option(code: int, value: bytes = b"") -> bytes:
    return struct.pack("=HH", code, len(value)) + value + b"\0" * (-len(value) % 4)
