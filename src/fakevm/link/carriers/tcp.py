"""TCP: before each frame its length in four bytes, as QEMU's ``socket,listen=``, ``connect=`` and ``stream`` do it.

QEMU's own stays dead when the other side has been started anew. Ours connects, or listens, again by itself.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
from collections.abc import Callable

from .base import LONGEST, LOOPBACK, Carrier, Far, Loop, Side, Sockets, Wire, family, joined, split, words

_LENGTH = struct.Struct("!I")
_AT_ONCE = 2**18
# Bytes that wait for a far end that does not read: what comes then is lost.
_MOST_WAITING = 2**20
# Seconds between attempts to connect.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 1.0
# Seconds after which a far end that says nothing is asked, how often it is asked, and without an answer given up.
_KEEPALIVE = {socket.TCP_KEEPIDLE: 5, socket.TCP_KEEPINTVL: 5, socket.TCP_KEEPCNT: 3, socket.TCP_USER_TIMEOUT: 20000}
_LIBC = ctypes.CDLL(None, use_errno=True)


class Tcp(Carrier):
    """Frames over TCP: with ``remote`` we connect, with ``local`` alone we listen."""

    needs = (frozenset({"local", "remote"}),)

    def opened(self, far: Far) -> Sockets:
        """See Carrier."""
        made = socket.socket(family(far.remote or far.local), socket.SOCK_STREAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if far.local:
            made.bind(split(far.local))
        if not far.remote:
            made.listen(8)
        return (made,)

    def pair(self) -> tuple[tuple[Sockets, Far], tuple[Sockets, Far]]:
        """See Carrier."""
        listening = self.opened(Far(local=f"{LOOPBACK}:0"))
        here = joined(listening[0].getsockname())
        return (listening, Far(local=here)), (self.opened(Far(remote=here)), Far(remote=here))

    def wire(self, loop: Loop, side: Side, sockets: Sockets, far: Far) -> Wire:
        """See Carrier."""
        if far.remote:
            return _Connecting(loop, side, sockets[0], split(far.remote))
        return _Listening(loop, side, sockets[0])


class _Stream:
    """A connection: frames out of bytes, and into them."""

    def __init__(self, loop: Loop, side: Side, sock: socket.socket, ended: Callable[[str], None]) -> None:
        self._loop = loop
        self._side = side
        self.socket = sock
        self._ended = ended
        self._coming = bytearray()
        self._waiting = bytearray()
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in _KEEPALIVE.items():
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
        loop.reading(sock, self._read)

    def _read(self) -> None:
        try:
            came = self.socket.recv(_AT_ONCE)
        except BlockingIOError:
            return
        except OSError as exc:
            self._ended(words(exc.errno or 0))
            return
        if not came:
            self._ended("the far end closed the connection")
            return
        self._coming += came
        self._take()

    def _take(self) -> None:
        at, known = 0, len(self._coming)
        while known - at >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._coming, at)
            if length > LONGEST:
                self._ended(f"the far end sends something else than frames: one of {length} bytes")
                return
            if known - at - _LENGTH.size < length:
                break
            at += _LENGTH.size
            self._side.take(bytes(self._coming[at : at + length]))
            at += length
        del self._coming[:at]

    def send(self, frame: bytes) -> None:
        """Send a frame, or lose it whole."""
        words_ = _LENGTH.pack(len(frame)) + frame
        if self._waiting:
            if len(self._waiting) < _MOST_WAITING:
                self._waiting += words_
            return
        self._waiting += words_[self._sent(words_) :]
        if self._waiting:
            self._loop.writing(self.socket, self._write)

    def _write(self) -> None:
        del self._waiting[: self._sent(self._waiting)]
        if not self._waiting:
            self._loop.writing(self.socket, None)

    def end(self) -> None:
        """Wait for nothing more."""
        self._loop.reading(self.socket, None)
        self._loop.writing(self.socket, None)

    def _sent(self, data: bytes | bytearray) -> int:
        try:
            return self.socket.send(data)
        except BlockingIOError:
            return 0
        except OSError:
            # Who reads learns of it, too, and says so.
            return len(data)


class _Listening(Wire):
    """Waits for the far end. One that comes anew takes the place of one that may be gone without a word."""

    def __init__(self, loop: Loop, side: Side, listener: socket.socket) -> None:
        super().__init__(loop, side)
        self._listener = listener
        self._stream: _Stream | None = None
        listener.setblocking(False)
        loop.reading(listener, self._accept)

    def _accept(self) -> None:
        try:
            accepted, _ = self._listener.accept()
        except OSError:
            return
        self._close()
        self._stream = _Stream(self._loop, self._side, accepted, self._lost)
        self._side.tell("answered")

    def _lost(self, why: str) -> None:
        self._close()
        self._side.tell("lost", why)

    def _close(self) -> None:
        if self._stream:
            self._stream.end()
            self._stream.socket.close()
            self._stream = None

    def send(self, frame: bytes) -> None:
        """See Wire."""
        if self._stream:
            self._stream.send(frame)


class _Connecting(Wire):
    """Connects, and again whenever the far end is gone.

    By the one socket that it was given: it was made in another network namespace, in which we can make no other.
    """

    def __init__(self, loop: Loop, side: Side, sock: socket.socket, remote: tuple[str, int]) -> None:
        super().__init__(loop, side)
        self._socket = sock
        self._remote = remote
        self._stream: _Stream | None = None
        self._has_answered = False
        self._pause = _FIRST_PAUSE
        sock.setblocking(False)
        self._connect()

    def _connect(self) -> None:
        _disconnect(self._socket)
        error = self._socket.connect_ex(self._remote)
        if error not in (0, errno.EINPROGRESS):
            self._lost(words(error))
            return
        self._loop.writing(self._socket, self._connected)

    def _connected(self) -> None:
        if error := self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._lost(words(error))
            return
        self._loop.writing(self._socket, None)
        self._pause, self._has_answered = _FIRST_PAUSE, True
        self._stream = _Stream(self._loop, self._side, self._socket, self._lost)
        self._side.tell("answered")

    def _lost(self, why: str) -> None:
        self._stream = None
        self._loop.reading(self._socket, None)
        self._loop.writing(self._socket, None)
        # The far end learns at once that nobody is there any more.
        _disconnect(self._socket)
        self._side.tell("lost" if self._has_answered else "waiting", why)
        self._loop.later(self._pause, self._connect)
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)

    def send(self, frame: bytes) -> None:
        """See Wire."""
        if self._stream:
            self._stream.send(frame)


def _disconnect(sock: socket.socket) -> None:
    """Make a socket again what it was before it was connected (connect(2): AF_UNSPEC); Python's own cannot."""
    nobody = struct.pack("H14x", socket.AF_UNSPEC)
    if _LIBC.connect(sock.fileno(), nobody, len(nobody)):
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
