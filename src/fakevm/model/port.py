"""A Neutron port as a host needs to know it, and the VIF that a host makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from .identity import called, port_words
from .kind import DEFAULT_KIND
from .nic import NicKind
from .value import Value

Addressing = Literal["auto", "dhcp", "static", "none"]


class Route(Value):
    """A route of the guest: destination in CIDR form, and the next hop."""

    destination: str
    nexthop: str


class FixedIp(Value):
    """An address that Neutron gave to the port, with what the guest needs of its subnet."""

    address: str
    prefix_length: int
    subnet_id: str
    gateway: str | None = None
    enable_dhcp: bool = True
    ipv6_address_mode: str | None = None
    routes: tuple[Route, ...] = ()
    dns_servers: tuple[str, ...] = ()


class Binding(Value):
    """What Neutron says of the port on one host (``binding:*``)."""

    host: str
    vif_type: str
    vif_details: dict[str, Any] = {}
    vnic_type: str = "normal"
    profile: dict[str, Any] = {}
    status: str = "ACTIVE"


class Vlan(Value):
    """A network that comes tagged over a port (a trunk's): the guest has a device of its own for it.

    ``addresses`` are in CIDR form.
    """

    tag: int
    mac_address: str
    addresses: tuple[str, ...] = ()


class Port(Value):
    """All that a host must know to plug a port. Times are seconds, the MTU bytes.

    ``name`` is the port's own; ``vlans`` are the networks that come tagged; ``device`` is what its interface is called
    in the guest, "" for the name that its host chooses; ``guest_kind`` is how the guest is made, if it is not there;
    ``nic`` is what its interface is made of, "" as it is, if it is there.
    """

    id: str
    name: str = ""
    mac_address: str
    mtu: int
    network_id: str
    network_name: str = ""
    instance_id: str
    project_id: str = ""
    hostname: str = ""
    fixed_ips: tuple[FixedIp, ...] = ()
    binding: Binding
    vlans: tuple[Vlan, ...] = ()
    device: str = ""
    guest_kind: str = DEFAULT_KIND
    nic: NicKind | Literal[""] = ""

    @property
    def is_plain(self) -> bool:
        """Whether its interface is a port of the switch's own."""
        return self.nic == "plain"

    @property
    def title(self) -> str:
        """What people call its guest."""
        return called(self.name, self.instance_id, self.id)

    @property
    def words(self) -> str:
        """Name it in a sentence: its id, and whose it is."""
        return port_words(self.id, self.name, self.instance_id)


class Vif(Value):
    """A plugged port as it was seen on its host.

    ``name`` is the port's own, from when it was plugged. ``addresses`` are in CIDR form, as they are on the guest's
    device. ``state`` is ``plugging`` or ``unplugging`` while that is under way (or was cut short), ``stopped`` while
    its guest is, else ``plugged``; ``asleep``: its guest sends nothing, since it is to move or has moved; ``taken``:
    Neutron's own side has wired it, too (None: that cannot be seen); ``problem`` says what is not as it should be,
    ``lacks`` what this kernel cannot make.
    """

    port_id: str
    name: str = ""
    host: str
    instance_id: str
    network_id: str
    mac_address: str
    mtu: int
    driver: str
    namespace: str
    device: str
    state: Literal["plugging", "plugged", "unplugging", "stopped"]
    asleep: bool = False
    taken: bool | None = None
    addresses: tuple[str, ...] = ()
    problem: str = ""
    lacks: str = ""

    @property
    def title(self) -> str:
        """What people call its guest."""
        return called(self.name, self.instance_id, self.port_id)


def is_for_a_vm(port: Mapping[str, Any]) -> bool:
    """Tell whether a VM is, or can be, behind a port of Neutron's."""
    owner = port["device_owner"]
    return not owner or owner.startswith("compute:")
