"""VXLAN (RFC 7348) to one other machine: from user space, so that an ordinary user has it, too."""

from __future__ import annotations

import socket

from .base import BATCH, LONGEST, LOOPBACK, Carrier, Far, Loop, Side, Sockets, Wire, datagrams, joined, split, words

PORT = 4789
_FLAGS = 0x08
_HEADER = 8


class Vxlan(Carrier):
    """Frames in VXLAN. The far end may be a kernel's device (``ip link add type vxlan``): it sends from any port."""

    needs = (frozenset({"remote"}), frozenset({"vni"}))
    takes = frozenset({"local", "remote", "vni"})
    with_port = frozenset()
    default_port = PORT

    def opened(self, far: Far) -> Sockets:
        """See Carrier."""
        made = datagrams(far.remote)
        made.bind(split(far.local) if far.local else ("", PORT))
        return (made,)

    def pair(self) -> tuple[tuple[Sockets, Far], tuple[Sockets, Far]]:
        """See Carrier."""
        a, b = datagrams(LOOPBACK), datagrams(LOOPBACK)
        for one in (a, b):
            one.bind((LOOPBACK, 0))
        here, there = (joined(each.getsockname()) for each in (a, b))
        return ((a,), Far(here, there, 1)), ((b,), Far(there, here, 1))

    def wire(self, loop: Loop, side: Side, sockets: Sockets, far: Far) -> Wire:
        """See Carrier."""
        return _VxlanWire(loop, side, sockets[0], far)


class _VxlanWire(Wire):
    def __init__(self, loop: Loop, side: Side, sock: socket.socket, far: Far) -> None:
        super().__init__(loop, side)
        self._socket = sock
        self._remote = split(far.remote)
        self._network = far.network.to_bytes(3, "big")
        self._header = bytes((_FLAGS, 0, 0, 0)) + self._network + b"\0"
        # Ever, and as far as is known now.
        self._has_answered = self._answers = False
        sock.setblocking(False)
        loop.reading(sock, self._read)

    def _read(self) -> None:
        for _ in range(BATCH):
            try:
                datagram, sender = self._socket.recvfrom(LONGEST)
            except BlockingIOError:
                return
            except OSError as exc:
                self._side.tell("waiting", words(exc.errno or 0))
                continue
            is_ours = sender[0] == self._remote[0] and datagram[4:7] == self._network and datagram[:1] == b"\x08"
            if not is_ours or len(datagram) <= _HEADER:
                continue
            if not self._answers:
                self._answers = self._has_answered = True
                self._side.tell("answered")
            self._side.take(datagram[_HEADER:])

    def send(self, frame: bytes) -> None:
        """See Wire."""
        try:
            self._socket.sendto(self._header + frame, self._remote)
        except BlockingIOError:
            return
        except OSError as exc:
            self._answers = False
            self._side.tell("lost" if self._has_answered else "waiting", words(exc.errno or 0))
