"""What the kernel says of network devices that come."""

from __future__ import annotations

import struct

from fakevm.linux.appearance import names

_NEW, _GONE = 16, 17


def message(kind: int, *attributes: tuple[int, bytes]) -> bytes:
    """Write a message as rtnetlink(7) does."""
    body = struct.pack("=BxHiII", 0, 1, 7, 0, 0)
    for number, value in attributes:
        piece = struct.pack("=HH", 4 + len(value), number) + value
        body += piece.ljust(len(piece) + 3 & ~3, b"\0")
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 0, 0) + body


def test_names_are_read_of_several_messages_whatever_comes_before_them() -> None:
    said = message(_NEW, (1, b"\1\2\3"), (3, b"tap1\0")) + message(_NEW, (3, b"tap22\0"), (4, b"x"))
    assert list(names(said)) == ["tap1", "tap22"]


def test_devices_that_went_and_messages_without_a_name_are_left_out() -> None:
    said = message(_GONE, (3, b"tap1\0")) + message(_NEW, (4, b"abcd"))
    assert list(names(said)) == []
