"""A guest, and what it takes along when it moves to another host."""

from __future__ import annotations

from typing import Literal

from .identity import called
from .interface import InterfaceSeen
from .value import Value


class Guest(Value):
    """A fake VM: a machine of its own, of which a host has no more than one with this id.

    ``id`` is the ``device_id`` of its ports; of a port without one, the port's own. ``name`` is what people call it,
    ``hostname`` what it calls itself, ``kind`` how it is made. ``namespace`` is its network namespace's name.
    """

    id: str
    name: str = ""
    hostname: str = ""
    kind: str = "namespace"
    namespace: str = ""

    @property
    def title(self) -> str:
        """What people call it."""
        return called(self.name, self.id, self.id)


class GuestSeen(Value):
    """A guest as it was seen on its host; the same can be made of it on another.

    ``asleep``: it sends nothing, since it is to move or has moved. ``problem`` says what is not as it should be.
    """

    id: str
    name: str = ""
    hostname: str = ""
    host: str
    kind: str
    namespace: str
    state: Literal["running", "stopped", "starting", "ending"]
    asleep: bool = False
    interfaces: tuple[InterfaceSeen, ...] = ()
    problem: str = ""

    @property
    def title(self) -> str:
        """What people call it."""
        return called(self.name, self.id, self.id)


class Neighbour(Value):
    """An entry of the guest's neighbour table."""

    address: str
    mac_address: str
    permanent: bool = False


class InterfaceState(Value):
    """What hangs on one device of a guest, as it was when the guest was paused.

    ``addresses`` are in CIDR form with what ``ip address`` says behind them (lifetimes in seconds); ``routes`` are in
    the words of ``ip route``, IPv4 and IPv6, in an order in which they can be added. ``mtu`` (bytes) is what the device
    has, 0 when that is not known. ``leases`` holds the lease files of the DHCP clients that ran, by name.
    """

    addresses: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()
    neighbours: tuple[Neighbour, ...] = ()
    mtu: int = 0
    leases: dict[str, str] = {}


class GuestState(Value):
    """A guest's own network settings, as they were when it was paused: those of each device, by its name."""

    interfaces: dict[str, InterfaceState] = {}
    resolv_conf: str = ""

    def of(self, device: str) -> InterfaceState:
        """Give what hangs on a device; nothing, when that is not known."""
        return self.interfaces.get(device, InterfaceState())
