"""Network devices as they come into our namespace: told by the kernel, nobody need look."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator

from pyroute2.netlink.rtnl.marshal import MarshalRtnl

# linux/rtnetlink.h
_RTMGRP_LINK = 1


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
    for message in MarshalRtnl().parse(said):
        if message["event"] == "RTM_NEWLINK" and (name := message.get_attr("IFLA_IFNAME")):
            yield str(name)
