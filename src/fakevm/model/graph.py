"""What a picture of a lab shows, as values: its hosts, guests, networks, routers, bridges and links."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from .value import Value


class HostNode(Value):
    """A host; ``state`` is empty in a file's picture."""

    name: str
    roles: tuple[str, ...] = ()
    state: str = ""


class InterfaceNode(Value):
    """An interface of a guest: its name, empty in a file that leaves it open, and what it is attached to.

    That is a ``network``, a ``link`` or a ``bridge``, by its name, or nothing (``none``).
    ``addresses`` are those that are known, with or without the length of their prefix; ``sent`` and ``received`` say
    what befalls its frames.
    """

    name: str
    kind: Literal["network", "link", "bridge", "none"]
    attached: str = ""
    addresses: tuple[str, ...] = ()
    mac_address: str = ""
    mtu: int | None = None
    sent: str = ""
    received: str = ""


class GuestNode(Value):
    """A guest, the host that it is on (empty: on none), and its interfaces; ``state`` is empty in a file's picture."""

    name: str
    host: str = ""
    kind: str = ""
    state: str = ""
    interfaces: tuple[InterfaceNode, ...] = ()


class NetworkNode(Value):
    """A network of Neutron's; ``subnets`` gives the address range of each by its name."""

    name: str
    type: str = ""
    external: bool = False
    subnets: dict[str, str] = {}


class RouterNode(Value):
    """A router of Neutron's: the networks that it joins, and the external one that is its way out, if it has one."""

    name: str
    networks: tuple[str, ...] = ()
    gateway: str = ""


class BridgeNode(Value):
    """A bridge between interfaces of guests, which no network of Neutron's has part in."""

    name: str


class End(NamedTuple):
    """An end of a link: the guest, and the name of its interface. Without a guest: what is there instead."""

    guest: str
    interface: str

    @property
    def words(self) -> str:
        """Write it as a lab file does."""
        return f"{self.guest}:{self.interface}" if self.guest else self.interface


class LinkNode(Value):
    """A link between two ends.

    ``state`` is as of `fakevm link list` (``up``, ``cut``, ``down``…), and empty in a file's picture; ``problem`` says
    why it is not up.
    """

    name: str
    ends: tuple[End, End]
    carrier: str = ""
    mtu: int | None = None
    state: str = ""
    problem: str = ""


class Graph(Value):
    """A lab as a graph. What two things have in common, a name, is how they refer to each other."""

    name: str
    source: Literal["file", "lab"]
    hosts: tuple[HostNode, ...] = ()
    guests: tuple[GuestNode, ...] = ()
    networks: tuple[NetworkNode, ...] = ()
    routers: tuple[RouterNode, ...] = ()
    bridges: tuple[BridgeNode, ...] = ()
    links: tuple[LinkNode, ...] = ()

    def attached(self, kind: str) -> Iterator[tuple[GuestNode, InterfaceNode]]:
        """Give the interfaces of a kind, each with its guest."""
        for guest in self.guests:
            yield from ((guest, interface) for interface in guest.interfaces if interface.kind == kind)
