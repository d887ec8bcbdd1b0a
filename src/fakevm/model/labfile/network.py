"""Networks and their subnets."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from fakevm.model.value import Value

from .reference import PhysicalNetworkRef, QosPolicyRef
from .word import Address, Cidr, ResourceName

NetworkType = Literal["vxlan", "vlan", "flat", "geneve"]
Ipv6Mode = Literal["slaac", "dhcpv6-stateful", "dhcpv6-stateless"]


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


class NetworkFile(Value):
    """A network; what is left out is Neutron's choice. ``segment`` is the VLAN id or VNI, ``mtu`` in bytes."""

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
