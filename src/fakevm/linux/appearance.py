"""Network devices as they come into our namespace: told by the kernel, nobody need look."""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Iterator

# linux/rtnetlink.h, linux/netlink.h, linux/if_link.h
_RTMGRP_LINK = 1
_RTM_NEWLINK = 16
_HEADER = struct.Struct("=IHHII")
_IFINFOMSG = struct.Struct("=BxHiII")
_ATTRIBUTE = struct.Struct("=HH")
_IFLA_IFNAME = 3


class Appearances:
    """Listens from now on, in the network namespace in which it is made. Raises OSError."""

    def __init__(self) -> None:
        self._kernel = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self._kernel.bind((0, _RTMGRP_LINK))

    def close(self) -> None:
        """Listen no more."""
        self._kernel.close()

    def __iter__(self) -> Iterator[str]:
        """Name devices that came, or changed; "" when some may have been missed."""
        while True:
            try:
                said = self._kernel.recv(1 << 16)
            except OSError as exc:
                if exc.errno != errno.ENOBUFS:
                    raise
                yield ""
                continue
            yield from names(said)


def names(said: bytes) -> Iterator[str]:
    """Read the names of the devices of which messages of the kernel's speak; those that went are not told."""
    while len(said) >= _HEADER.size:
        length, kind, *_ = _HEADER.unpack_from(said)
        if length < _HEADER.size:
            return
        if kind == _RTM_NEWLINK:
            yield from _name(said[_HEADER.size + _IFINFOMSG.size : length])
        said = said[_aligned(length) :]


def _name(attributes: bytes) -> Iterator[str]:
    while len(attributes) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(attributes)
        if kind == _IFLA_IFNAME:
            yield attributes[_ATTRIBUTE.size : length].rstrip(b"\0").decode(errors="replace")
        if length < _ATTRIBUTE.size or kind == _IFLA_IFNAME:
            return
        attributes = attributes[_aligned(length) :]


def _aligned(length: int) -> int:
    return length + 3 & ~3
