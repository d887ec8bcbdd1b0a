"""Multicast: a raw frame a datagram to a group, as QEMU's ``socket,mcast=`` does it: a wire for any number.

QEMU hears its own frames again, and its guest sees them. We send from a port of our own, by which ours are known.
"""

from __future__ import annotations

import ipaddress
import socket

from .base import BATCH, LONGEST, LOOPBACK, Carrier, Far, Loop, Side, Sockets, Wire, datagrams, split, words

# Of links within a lab (RFC 2365: administratively scoped, IPv4 local scope); the port is whichever is free.
_GROUP = "239.255.0.1"


class Multicast(Carrier):
    """Frames to a group: ``remote`` is the group, ``local`` the address of the interface by which it is reached."""

    needs = (frozenset({"remote"}),)
    with_port = frozenset({"remote"})

    def wrong(self, far: Far) -> str:
        """See Carrier."""
        host, _ = split(far.remote)
        try:
            group = ipaddress.ip_address(host)
        except ValueError:
            return f"{host!r} is no address of a multicast group, such as 239.255.7.1"
        if group.version != 4 or not group.is_multicast:
            return f"{host} is no IPv4 address of a multicast group, such as 239.255.7.1"
        return ""

    def opened(self, far: Far) -> Sockets:
        """See Carrier. One socket takes what comes to the group, the other sends."""
        group, port = split(far.remote)
        local = split(far.local)[0] if far.local else ""
        interface = socket.inet_aton(local or "0.0.0.0")
        taking, sending = datagrams(group), datagrams(group)
        taking.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taking.bind((group, port))
        taking.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(group) + interface)
        if local:
            sending.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, interface)
        sending.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 1)
        sending.bind((local, 0))
        sending.connect((group, port))
        return taking, sending

    def pair(self) -> tuple[tuple[Sockets, Far], tuple[Sockets, Far]]:
        """See Carrier."""
        with datagrams(LOOPBACK) as free:
            free.bind((_GROUP, 0))
            far = Far(local=LOOPBACK, remote=f"{_GROUP}:{free.getsockname()[1]}")
        return (self.opened(far), far), (self.opened(far), far)

    def wire(self, loop: Loop, side: Side, sockets: Sockets, far: Far) -> Wire:
        """See Carrier."""
        return _MulticastWire(loop, side, *sockets)


class _MulticastWire(Wire):
    def __init__(self, loop: Loop, side: Side, taking: socket.socket, sending: socket.socket) -> None:
        super().__init__(loop, side)
        self._taking = taking
        self._sending = sending
        self._own = sending.getsockname()
        self._has_answered = False
        for one in (taking, sending):
            one.setblocking(False)
        loop.reading(taking, self._read)

    def _read(self) -> None:
        for _ in range(BATCH):
            try:
                frame, sender = self._taking.recvfrom(LONGEST)
            except OSError:
                return
            if sender == self._own:
                continue
            if not self._has_answered:
                self._has_answered = True
                self._side.tell("answered")
            self._side.take(frame)

    def send(self, frame: bytes) -> None:
        """See Wire."""
        try:
            self._sending.send(frame)
        except BlockingIOError:
            return
        except OSError as exc:
            self._side.tell("waiting", words(exc.errno or 0))
