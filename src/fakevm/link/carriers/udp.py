"""UDP: a raw frame a datagram, as QEMU's ``socket,udp=`` and ``dgram`` netdevs, and GNS3's ubridge, send it."""

from __future__ import annotations

import errno
import socket

from .base import BATCH, LONGEST, LOOPBACK, Carrier, Far, Loop, Side, Sockets, Wire, datagrams, joined, split, words


class Udp(Carrier):
    """Frames over UDP."""

    needs = (frozenset({"local"}), frozenset({"remote"}))

    def opened(self, far: Far) -> Sockets:
        """See Carrier. A socket that is connected takes datagrams of the far end's alone."""
        made = datagrams(far.local)
        made.bind(split(far.local))
        made.connect(split(far.remote))
        return (made,)

    def pair(self) -> tuple[tuple[Sockets, Far], tuple[Sockets, Far]]:
        """See Carrier."""
        a, b = datagrams(LOOPBACK), datagrams(LOOPBACK)
        for one in (a, b):
            one.bind((LOOPBACK, 0))
        a.connect(b.getsockname())
        b.connect(a.getsockname())
        return ((a,), Far(remote=joined(b.getsockname()))), ((b,), Far(remote=joined(a.getsockname())))

    def wire(self, loop: Loop, side: Side, sockets: Sockets, far: Far) -> Wire:
        """See Carrier."""
        return _UdpWire(loop, side, sockets[0])


class _UdpWire(Wire):
    def __init__(self, loop: Loop, side: Side, sock: socket.socket) -> None:
        super().__init__(loop, side)
        self._socket = sock
        # Ever, and as far as is known now.
        self._has_answered = self._answers = False
        sock.setblocking(False)
        loop.reading(sock, self._read)

    def _read(self) -> None:
        for _ in range(BATCH):
            try:
                frame = self._socket.recv(LONGEST)
            except BlockingIOError:
                return
            except OSError as exc:
                self._failed(exc)
                continue
            if not self._answers:
                self._answers = self._has_answered = True
                self._side.tell("answered")
            self._side.take(frame)

    def send(self, frame: bytes) -> None:
        """See Wire."""
        try:
            self._socket.send(frame)
        except BlockingIOError:
            return
        except OSError as exc:
            self._failed(exc)
            if exc.errno == errno.ECONNREFUSED:
                # That was said of one before; this one has not been tried.
                self._again(frame)

    def _again(self, frame: bytes) -> None:
        try:
            self._socket.send(frame)
        except OSError as exc:
            self._failed(exc)

    def _failed(self, exc: OSError) -> None:
        self._answers = False
        self._side.tell("lost" if self._has_answered else "waiting", words(exc.errno or 0))
