"""Ports of guests."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Annotated, ClassVar

from pydantic import Field, ValidationInfo, model_validator

from fakevm.model.nic import DEFAULT_NIC, NicKind
from fakevm.model.port import Addressing
from fakevm.model.value import Value

from .impairment import IMPAIR, SHAPE, InterfaceImpairmentFile, InterfaceShapeFile
from .neutron import OF_NEUTRON
from .reference import NetworkRef, QosPolicyRef, SecurityGroupRef, SubnetRef, subnets_of
from .word import Address, AddressOrCidr, DnsName, MacAddress, VlanId, WordValue

NIC = (
    "What the guest has of it: `veth`, or `plain`, a port of Open vSwitch's own, which `ip` shows without `@if12` "
    "(`ovs`, `ovn`)."
)


class FixedIpFile(WordValue):
    """An address that a port asks for, or a subnet to have one of. As one word: the address."""

    word_field: ClassVar[str] = "address"

    address: Address | None = Field(default=None, description="The address to ask for.")
    subnet: SubnetRef | None = Field(default=None, description="The subnet to have an address of.")

    @model_validator(mode="after")
    def _something(self) -> FixedIpFile:
        if not (self.address or self.subnet):
            raise ValueError("give an address, a subnet, or both")
        return self


class AddressPair(WordValue):
    """Another address that the port may send from. As one word: the address, or a network in CIDR form."""

    word_field: ClassVar[str] = "address"

    address: AddressOrCidr = Field(
        description="An address, or a network in CIDR form, that the port may send from, too."
    )
    mac: MacAddress | None = Field(
        default=None, description="The MAC address that belongs to it; by default the port's."
    )


class Subport(Value):
    """A network that comes tagged over the port: its VLAN id there."""

    network: NetworkRef = Field(description="The network that comes tagged.")
    vlan: VlanId = Field(description="Its VLAN id on this port, 1 to 4094.")
    fixed_ips: tuple[FixedIpFile, ...] = Field(
        default=(), description="A list of `address`, `subnet`, or both; by default Neutron's choice."
    )
    security_groups: tuple[SecurityGroupRef, ...] | None = Field(
        default=None, description="Groups by name; by default the project's default group."
    )
    port_security: bool | None = Field(
        default=None, description="Whether addresses and groups are enforced; by default as the network says."
    )


class PortFile(WordValue):
    """A port of a guest. As one word: the network. ``security_groups``: None is Neutron's default group."""

    word_field: ClassVar[str] = "network"

    network: Annotated[NetworkRef, OF_NEUTRON] = Field(description="The network that it is in.")
    mac: MacAddress | None = Field(default=None, description="Its MAC address.")
    fixed_ips: tuple[FixedIpFile, ...] = Field(default=(), description="A list of `address`, `subnet`, or both.")
    addressing: Addressing = Field(default="auto", description="`auto`, `dhcp`, `static`, `none`, as of `create-port`.")
    security_groups: tuple[SecurityGroupRef, ...] | None = Field(
        default=None, description="Groups by name; `[]`: none."
    )
    port_security: bool | None = Field(default=None, description="Whether addresses and groups are enforced.")
    allowed_address_pairs: tuple[AddressPair, ...] = Field(
        default=(), description="A list of `address` (or CIDR), `mac`."
    )
    qos_policy: QosPolicyRef | None = Field(default=None, description="Its QoS policy.")
    nic: NicKind = Field(default=DEFAULT_NIC, description=NIC)
    dns_name: DnsName | None = Field(
        default=None, description="What others in the network know it by, where it is not as its guest is called."
    )
    impair: InterfaceImpairmentFile = Field(default=InterfaceImpairmentFile(), description=IMPAIR)
    shape: InterfaceShapeFile = Field(default=InterfaceShapeFile(), description=SHAPE)
    trunk: tuple[Subport, ...] = Field(
        default=(),
        description="Networks that come tagged: `network`, `vlan`, `fixed_ips`, `security_groups`, `port_security`. "
        "The guest gets a device `vlanN` with its addresses, if the kernel has VLAN devices (8021q); "
        "`lab up` says when not.",
    )

    @model_validator(mode="after")
    def _addresses_are_in_the_network(self, info: ValidationInfo) -> PortFile:
        """Compare with the network's subnets as the file has them; what is wrong with those is told there."""
        try:
            subnets = [ip_network(cidr) for cidr in sorted((info.context or {}).get(subnets_of(self.network), ()))]
        except ValueError:
            return self
        for fixed in self.fixed_ips:
            if subnets and fixed.address and not any(ip_address(fixed.address) in subnet for subnet in subnets):
                there = ", ".join(map(str, subnets))
                raise ValueError(f"{fixed.address} is in no subnet of the network {self.network!r}: {there}")
        return self

    @model_validator(mode="after")
    def _fits(self) -> PortFile:
        if self.port_security is False and (self.security_groups or self.allowed_address_pairs):
            raise ValueError("without port_security a port has no security_groups and no allowed_address_pairs")
        vlans = [subport.vlan for subport in self.trunk]
        if len(vlans) != len(set(vlans)):
            raise ValueError("two subports of a trunk cannot have the same vlan")
        return self
