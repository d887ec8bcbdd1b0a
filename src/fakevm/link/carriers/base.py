"""What a carrier must be able to do: open its sockets, and send and take frames by them."""

from __future__ import annotations

import os
import socket
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar, Literal, NamedTuple, Protocol

# Frames taken at once from one side before the other has its turn.
BATCH = 64
# Bytes: more than any frame, or datagram, has.
LONGEST = 70000
# Bytes that wait in a socket for us: 300 Mbit/s for a few hundredths of a second. The kernel gives what it allows.
ROOM = 4 * 2**20
LOOPBACK = "127.0.0.1"

Sockets = Sequence[socket.socket]
Address = tuple[str, int]


class Far(NamedTuple):
    """Where a link's far end is that is not ours, and where it finds us: HOST:PORT each, or empty.

    ``network`` is the number of its virtual network, for carriers that know such (VXLAN's VNI).
    """

    local: str = ""
    remote: str = ""
    network: int = 0


Act = Callable[[], None]


class Loop(Protocol):
    """What a wire lives in: it calls whoever waits for a socket."""

    def reading(self, sock: socket.socket, act: Act | None) -> None:
        """Call ``act`` whenever the socket can be read; None: no more."""

    def writing(self, sock: socket.socket, act: Act | None) -> None:
        """Call ``act`` whenever the socket can be written; None: no more."""

    def later(self, seconds: float, act: Act) -> None:
        """Call ``act`` once, after so many seconds."""


#: ``waiting``: nothing has come from the far end yet; ``answered``: it has; ``lost``: no more
State = Literal["waiting", "answered", "lost"]


class Side(ABC):
    """Who a wire is made for: it takes the frames that come, and is told how the far end is."""

    @abstractmethod
    def take(self, frame: bytes) -> None:
        """Take a frame that came from the far end."""

    @abstractmethod
    def tell(self, state: State, why: str = "") -> None:
        """Learn how the far end is: ``why`` is in the kernel's words, if it has any."""


class Wire(ABC):
    """Frames to and from one far end. What cannot be sent at once is lost, as on a link whose queue is full."""

    def __init__(self, loop: Loop, side: Side) -> None:
        self._loop = loop
        self._side = side

    @abstractmethod
    def send(self, frame: bytes) -> None:
        """Send a frame."""


class Carrier(ABC):
    """A kind of carrier."""

    #: of ``local``, ``remote`` and ``vni``: what a link must say whose far end is not ours, one of each of these sets…
    needs: ClassVar[tuple[frozenset[str], ...]]
    #: … and what it may say
    takes: ClassVar[frozenset[str]] = frozenset({"local", "remote"})
    #: of ``local`` and ``remote``: what must have a port, and the port that is meant where the other has none
    with_port: ClassVar[frozenset[str]] = frozenset({"local", "remote"})
    default_port: ClassVar[int] = 0

    @abstractmethod
    def opened(self, far: Far) -> Sockets:
        """Open the sockets to a far end that is not ours, in the caller's network namespace. Raises OSError.

        :param far: with addresses in figures (``resolved``)
        """

    @abstractmethod
    def pair(self) -> tuple[tuple[Sockets, Far], tuple[Sockets, Far]]:
        """Open the sockets of both ends of a link, joined by the loopback of the caller's namespace. Raises OSError."""

    @abstractmethod
    def wire(self, loop: Loop, side: Side, sockets: Sockets, far: Far) -> Wire:
        """Put what was opened to use."""

    def wrong(self, far: Far) -> str:
        """Say what is wrong with the addresses of a far end that is not ours, beyond what is missing."""
        return ""


def split(address: str) -> Address:
    """Part HOST:PORT; a host with colons is in brackets. 0 is the port of one that has none."""
    host, colon, port = address.rpartition(":")
    if not colon or port.endswith("]"):
        host, port = address, "0"
    return host.strip("[]"), int(port)


def joined(address: Address) -> str:
    """Write an address as HOST:PORT."""
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def resolved(address: str, default_port: int = 0) -> str:
    """Write an address with its host in figures. Raises OSError: there is no such host."""
    if not address:
        return ""
    host, port = split(address)
    found = socket.getaddrinfo(host or LOOPBACK, port or default_port, type=socket.SOCK_DGRAM)
    return joined((str(found[0][4][0]), int(found[0][4][1])))


def datagrams(address: str) -> socket.socket:
    """Make a socket for datagrams to or from an address in figures. Raises OSError."""
    made = socket.socket(family(address), socket.SOCK_DGRAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, ROOM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, ROOM)
    return made


def family(address: str) -> socket.AddressFamily:
    """Tell the family of an address in figures."""
    return socket.AF_INET6 if ":" in split(address)[0] else socket.AF_INET


def words(error: int) -> str:
    """Say what an error is, in the kernel's words."""
    return os.strerror(error)
