"""What a guest takes along when it moves to another host."""

from __future__ import annotations

from .value import Value


class Neighbour(Value):
    """An entry of the guest's neighbour table."""

    address: str
    mac_address: str
    permanent: bool = False


class GuestState(Value):
    """A guest's own network settings, as they were when it was paused.

    ``addresses`` are in CIDR form with what ``ip address`` says behind them (lifetimes in seconds); ``routes`` are in
    the words of ``ip route``, IPv4 and IPv6, in an order in which they can be added. ``mtu`` (bytes) is what its device
    has, 0 when that is not known. ``leases`` holds the lease files of the DHCP clients that ran, by name.
    """

    addresses: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()
    neighbours: tuple[Neighbour, ...] = ()
    mtu: int = 0
    resolv_conf: str = ""
    leases: dict[str, str] = {}
