"""Networks and their subnets."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator

from fakevm.model.resource import NOTHING, Kind, Ref, Resource
from fakevm.model.value import Value

from .reference import PhysicalNetworkRef, QosPolicyRef
from .resource import ResourceFile
from .word import Address, Cidr, ResourceName

NetworkType = Literal["vxlan", "vlan", "flat", "geneve"]
Ipv6Mode = Literal["slaac", "dhcpv6-stateful", "dhcpv6-stateless"]

NETWORK = Kind(
    "network",
    "networks",
    "/networks",
    "network",
    changeable={"qos_policy_id": None, "port_security_enabled": NOTHING},
    compared=(
        "provider:network_type",
        "provider:physical_network",
        "provider:segmentation_id",
        "mtu",
        "router:external",
        "port_security_enabled",
        "qos_policy_id",
        "admin_state_up",
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
        "gateway_ip",
        "enable_dhcp",
        "dns_nameservers",
        "host_routes",
        "allocation_pools",
        "ipv6_ra_mode",
        "ipv6_address_mode",
    ),
    # What is in the network may have an address of any of its subnets.
    holds=True,
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

    @property
    def version(self) -> int:
        """4 or 6."""
        return ipaddress.ip_network(self.cidr).version

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
        if self.gateway != "auto":
            attributes["gateway_ip"] = None if self.gateway == "none" else self.gateway
        if self.allocation_pools:
            attributes["allocation_pools"] = [pool.model_dump() for pool in self.allocation_pools]
        if self.version == 6:
            modes = {"ipv6_ra_mode": self.ipv6_ra_mode, "ipv6_address_mode": self.ipv6_address_mode}
            attributes |= {key: mode for key, mode in modes.items() if mode}
        return attributes


class NetworkFile(ResourceFile):
    """A network; what is left out is Neutron's choice. ``segment`` is the VLAN id or VNI, ``mtu`` in bytes."""

    kinds: ClassVar[tuple[Kind, ...]] = (NETWORK, SUBNET)

    type: NetworkType | None = Field(default=None, description="`vxlan`, `vlan`, `flat`, `geneve`.")
    physical_network: PhysicalNetworkRef | None = Field(default=None, description="For `vlan` and `flat`: which.")
    segment: Annotated[int, Field(ge=1, le=2**24 - 1)] | None = Field(default=None, description="The VLAN id or VNI.")
    mtu: Annotated[int, Field(ge=68, le=65535)] | None = Field(default=None, description="In bytes.")
    external: bool = Field(
        default=False, description="Whether routers may have their way out here, and floating IPs are of it."
    )
    port_security: bool = Field(default=True, description="The default of its ports.")
    qos_policy: QosPolicyRef | None = Field(default=None, description="The QoS policy of its ports.")
    subnets: dict[ResourceName, SubnetFile] = Field(default={}, description="By name; a name is used once in a lab.")

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

    def described(self, name: str, lab: Any) -> Iterator[Resource]:
        """Describe the network and its subnets; what the file leaves out is left to Neutron."""
        attributes: dict[str, Any] = {
            "provider:network_type": self.type,
            "provider:physical_network": self.physical_network,
            "provider:segmentation_id": self.segment,
            "mtu": self.mtu,
            "qos_policy_id": Ref("QoS policy", self.qos_policy) if self.qos_policy else None,
        }
        given = {key: value for key, value in attributes.items() if value is not None}
        given |= {"router:external": self.external, "port_security_enabled": self.port_security}
        network = Ref(NETWORK.name, name)
        yield Resource(network, given)
        for subnet_name, subnet in self.subnets.items():
            yield Resource(Ref(SUBNET.name, subnet_name), subnet.attributes() | {"network_id": network})
