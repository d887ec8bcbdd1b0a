"""Networks and their subnets."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import AfterValidator, Field, model_validator

from fakevm.model.remark import Location
from fakevm.model.resource import NOTHING, Elsewhere, Kind, Ref, Resource, Seen
from fakevm.model.value import Value

from .reference import PhysicalNetworkRef, QosPolicyRef
from .resource import ResourceFile
from .sharing import SHARED_WITH, SharedWith, shared
from .subnet_pool import POOL, SubnetPoolRef
from .word import Address, Cidr, DnsDomain, ResourceName, VlanId, Zone

NetworkType = Literal["vxlan", "vlan", "flat", "geneve"]
Ipv6Mode = Literal["slaac", "dhcpv6-stateful", "dhcpv6-stateless"]


def _several(segments: Iterable[Seen], names: Mapping[str, str]) -> Iterator[tuple[str, Seen]]:
    """Name those of networks that have more than one; a file does not speak of the others'."""
    of: dict[str, list[Seen]] = {}
    for segment in segments:
        of.setdefault(segment["network_id"], []).append(segment)
    for network, own in of.items():
        if len(own) > 1 and network in names:
            yield from ((f"{names[network]}: {s['physical_network']}", {**s, "parent": network}) for s in own)


NETWORK = Kind(
    "network",
    "networks",
    "/networks",
    "network",
    changeable={"qos_policy_id": None, "port_security_enabled": NOTHING, "dns_domain": ""},
    compared=(
        "provider:network_type",
        "provider:physical_network",
        "provider:segmentation_id",
        "segments",
        "mtu",
        "router:external",
        "port_security_enabled",
        "qos_policy_id",
        "dns_domain",
        "admin_state_up",
        "availability_zone_hints",
    ),
    # Networks of highly available routers belong to nobody.
    is_neutrons=lambda seen: not seen["project_id"],
)
SUBNET = Kind(
    "subnet",
    "subnets",
    "/subnets",
    "subnet",
    part_of="network",
    changeable={
        "dns_nameservers": [],
        "host_routes": [],
        "enable_dhcp": NOTHING,
        "gateway_ip": NOTHING,
        "allocation_pools": NOTHING,
    },
    compared=(
        "cidr",
        "segment_id",
        "gateway_ip",
        "enable_dhcp",
        "dns_nameservers",
        "host_routes",
        "allocation_pools",
        "ipv6_ra_mode",
        "ipv6_address_mode",
        "subnetpool_id",
    ),
    # Of a routed network it adds routes to the others' subnets (29.0.0, SegmentHostRoutes).
    completed=lambda seen: ("host_routes",) if seen.get("segment_id") else (),
    # What is in the network may have an address of any of its subnets.
    holds=True,
)


SEGMENT = Kind(
    "segment",
    "segments",
    "/segments",
    "segment",
    label="",
    # Neutron makes it with its network.
    method="GET",
    part_of="network",
    elsewhere=Elsewhere("/segments", {}, _several),
    goes_along=True,
)


def _gateway(text: str) -> str:
    return text if text in ("auto", "none") else str(ipaddress.ip_address(text))


class RouteFile(Value):
    """A route: where to, and by which next hop."""

    destination: Cidr = Field(description="Where to, in CIDR form.")
    nexthop: Address = Field(description="The address of the next hop.")


class AllocationPool(Value):
    """The addresses that Neutron may hand out, from ``start`` to ``end``."""

    start: Address = Field(description="The first address that Neutron may hand out.")
    end: Address = Field(description="The last one.")

    @model_validator(mode="after")
    def _in_order(self) -> AllocationPool:
        start, end = ipaddress.ip_address(self.start), ipaddress.ip_address(self.end)
        if start.version != end.version or int(start) > int(end):
            raise ValueError("the pool's start must not be above its end")
        return self


class SubnetFile(Value):
    """A subnet. ``gateway`` is an address, ``auto`` (the first) or ``none``."""

    cidr: Cidr = Field(description="`10.0.0.0/24`, `2001:db8:1::/64`.")
    gateway: Annotated[str, AfterValidator(_gateway)] = Field(
        default="auto", description="An address; `auto`: the first of the subnet; `none`."
    )
    pool: SubnetPoolRef | None = Field(default=None, description="The subnet pool that it is taken of.")
    dhcp: bool = Field(default=True, description="Whether DHCP serves it.")
    dns: tuple[Address, ...] = Field(default=(), description="Addresses of name servers.")
    host_routes: tuple[RouteFile, ...] = Field(
        default=(), description="`[{destination: CIDR, nexthop: ADDRESS}]`, for DHCP."
    )
    allocation_pools: tuple[AllocationPool, ...] = Field(default=(), description="`[{start: ADDRESS, end: ADDRESS}]`.")
    ipv6_ra_mode: Ipv6Mode | None = Field(
        default=None, description="`slaac`, `dhcpv6-stateful`, `dhcpv6-stateless`: a router advertises it."
    )
    ipv6_address_mode: Ipv6Mode | None = Field(
        default=None, description="The same words: how guests get their addresses."
    )
    segment: PhysicalNetworkRef | None = Field(
        default=None, description="Which of its network's `segments` it is on, by the physical network."
    )

    @property
    def version(self) -> int:
        """4 or 6."""
        return ipaddress.ip_network(self.cidr).version

    @property
    def gateway_address(self) -> str:
        """The gateway's address, as Neutron chooses it; empty: none.

        Of IPv6 that is the network's own address (IpamBackendMixin._gateway_ip_str, 29.0.0).
        """
        if self.gateway != "auto":
            return "" if self.gateway == "none" else self.gateway
        network = ipaddress.ip_network(self.cidr)
        return str(network[0 if network.version == 6 else min(1, network.num_addresses - 1)])

    @model_validator(mode="after")
    def _fits(self) -> SubnetFile:
        network = ipaddress.ip_network(self.cidr)
        inside = [] if self.gateway in ("auto", "none") else [self.gateway]
        inside += [address for pool in self.allocation_pools for address in (pool.start, pool.end)]
        for address in inside:
            if ipaddress.ip_address(address) not in network:
                raise ValueError(f"{address} is not in {self.cidr}")
        if network.version == 4 and (self.ipv6_ra_mode or self.ipv6_address_mode):
            raise ValueError("ipv6_ra_mode and ipv6_address_mode are for IPv6 subnets")
        if self.ipv6_ra_mode and self.ipv6_address_mode and self.ipv6_ra_mode != self.ipv6_address_mode:
            raise ValueError("ipv6_ra_mode and ipv6_address_mode must not contradict one another")
        return self

    def attributes(self) -> dict[str, Any]:
        """Describe the subnet to Neutron, but for its network."""
        attributes: dict[str, Any] = {
            "cidr": self.cidr,
            "ip_version": self.version,
            "enable_dhcp": self.dhcp,
            "dns_nameservers": list(self.dns),
            "host_routes": [route.model_dump() for route in self.host_routes],
        }
        if self.pool:
            attributes["subnetpool_id"] = Ref(POOL.name, self.pool)
        if self.gateway != "auto":
            attributes["gateway_ip"] = None if self.gateway == "none" else self.gateway
        if self.allocation_pools:
            attributes["allocation_pools"] = [pool.model_dump() for pool in self.allocation_pools]
        if self.version == 6:
            modes = {"ipv6_ra_mode": self.ipv6_ra_mode, "ipv6_address_mode": self.ipv6_address_mode}
            attributes |= {key: mode for key, mode in modes.items() if mode}
        return attributes


class SegmentFile(Value):
    """A piece of a network, in a physical network: ``segment`` is the VLAN id."""

    type: Literal["vlan", "flat"] = Field(default="vlan", description="`vlan` or `flat`.")
    segment: VlanId | None = Field(default=None, description="The VLAN id.")

    @model_validator(mode="after")
    def _fits(self) -> SegmentFile:
        if self.type == "flat" and self.segment:
            raise ValueError("a flat network has no segment")
        return self


class Piece(NamedTuple):
    """A network, or one of its segments, and where the network's entry says so."""

    type: NetworkType | None
    physical_network: str | None
    segment: int | None
    at: Location


class NetworkFile(ResourceFile):
    """A network; what is left out is Neutron's choice. ``segment`` is the VLAN id or VNI, ``mtu`` in bytes."""

    kinds: ClassVar[tuple[Kind, ...]] = (NETWORK, SEGMENT, SUBNET)

    type: NetworkType | None = Field(default=None, description="`vxlan`, `vlan`, `flat`, `geneve`.")
    physical_network: PhysicalNetworkRef | None = Field(default=None, description="For `vlan` and `flat`: which.")
    segment: Annotated[int, Field(ge=1, le=2**24 - 1)] | None = Field(default=None, description="The VLAN id or VNI.")
    segments: dict[PhysicalNetworkRef, SegmentFile] = Field(
        default={},
        description="A routed provider network: its pieces, by physical networks, each with its `type` (`vlan`) and "
        "`segment`.",
    )
    mtu: Annotated[int, Field(ge=68, le=65535)] | None = Field(default=None, description="In bytes.")
    external: bool = Field(
        default=False, description="Whether routers may have their way out here, and floating IPs are of it."
    )
    port_security: bool = Field(default=True, description="The default of its ports.")
    qos_policy: QosPolicyRef | None = Field(default=None, description="The QoS policy of its ports.")
    dns_domain: DnsDomain | None = Field(
        default=None, description="The domain of its ports' names beside the lab's: `lab.example.`"
    )
    zones: tuple[Zone, ...] = Field(
        default=(), description="The availability zones whose hosts serve its DHCP; by default any."
    )
    subnets: dict[ResourceName, SubnetFile] = Field(default={}, description="By name; a name is used once in a lab.")
    shared_with: SharedWith = SHARED_WITH

    @model_validator(mode="after")
    def _fits(self) -> NetworkFile:
        physical = self.type in ("vlan", "flat")
        if physical and not self.physical_network:
            raise ValueError(f"a {self.type} network needs a physical_network")
        if self.physical_network and not physical:
            raise ValueError("a physical_network needs type: flat or type: vlan")
        if self.type == "flat" and self.segment:
            raise ValueError("a flat network has no segment")
        if self.type == "vlan" and self.segment and self.segment > 4094:
            raise ValueError("a VLAN id is at most 4094")
        if self.segment and not self.type:
            raise ValueError("a segment needs a type")
        return self

    @model_validator(mode="after")
    def _on_segments(self) -> NetworkFile:
        if self.segments and self.type:
            raise ValueError("give segments, or a type: what one of them has is said below segments")
        if len(self.segments) == 1:
            raise ValueError("one segment is no routed network: say its type and physical_network of the network")
        for name, subnet in self.subnets.items():
            if subnet.segment and subnet.segment not in self.segments:
                known = ", ".join(self.segments) or "none"
                raise ValueError(f"the subnet {name!r} is on no segment of the network: it has {known}")
            if self.segments and not subnet.segment:
                raise ValueError(
                    f"say on which segment the subnet {name!r} is: Neutron takes all subnets on some, or none"
                )
        return self

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """Where it is, one piece for each segment; of what Neutron chooses there is one that says little."""
        if self.segments:
            return tuple(Piece(s.type, name, s.segment, ("segments", name)) for name, s in self.segments.items())
        return (Piece(self.type, self.physical_network, self.segment, ()),)

    @property
    def services(self) -> tuple[str, ...]:
        """See ResourceFile."""
        return (*(("dns",) if self.dns_domain else ()), *(("segments",) if self.segments else ()))

    def described(self, name: str, lab: Any) -> Iterator[Resource]:
        """Describe the network and its subnets; what the file leaves out is left to Neutron."""
        attributes: dict[str, Any] = {
            "provider:network_type": self.type,
            "provider:physical_network": self.physical_network,
            "provider:segmentation_id": self.segment,
            "mtu": self.mtu,
            "dns_domain": self.dns_domain,
            "qos_policy_id": Ref("QoS policy", self.qos_policy) if self.qos_policy else None,
        }
        given = {key: value for key, value in attributes.items() if value is not None}
        given |= {"segments": [_provider(*piece[:3]) for piece in self.pieces]} if self.segments else {}
        if self.zones:
            given["availability_zone_hints"] = list(self.zones)
        given |= {"router:external": self.external, "port_security_enabled": self.port_security}
        network = Ref(NETWORK.name, name)
        yield Resource(network, given)
        for physical in self.segments:
            where = {"network_id": network, "physical_network": physical}
            yield Resource(_segment(name, physical), where, parent=network)
        for subnet_name, subnet in self.subnets.items():
            on = {"segment_id": _segment(name, subnet.segment)} if subnet.segment else {}
            yield Resource(Ref(SUBNET.name, subnet_name), subnet.attributes() | {"network_id": network} | on)
        yield from shared(network, self.shared_with)


def _segment(network: str, physical_network: str) -> Ref:
    return Ref(SEGMENT.name, f"{network}: {physical_network}")


def _provider(kind: NetworkType | None, physical_network: str | None, segment: int | None) -> dict[str, Any]:
    said = {"network_type": kind, "physical_network": physical_network, "segmentation_id": segment}
    return {f"provider:{key}": value for key, value in said.items() if value is not None}
