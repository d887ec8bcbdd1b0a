"""Ports: those of guests, and what all ports have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_address, ip_network
from typing import Annotated, Any, ClassVar

from pydantic import Field, ValidationInfo, model_validator

from fakevm.model.nic import DEFAULT_NIC, NicKind
from fakevm.model.port import Addressing, is_for_a_vm
from fakevm.model.resource import AddressOf, Kind, Ref
from fakevm.model.value import Value

from . import dhcp_option
from .dhcp_option import Option, Optionv6, OptionValue
from .impairment import IMPAIR, SHAPE, InterfaceImpairmentFile, InterfaceShapeFile
from .neutron import OF_NEUTRON
from .reference import NetworkRef, PairRef, QosPolicyRef, SecurityGroupRef, SubnetRef, subnets_of
from .word import Address, DnsName, MacAddress, VlanId, WordValue

PORT = Kind(
    "port",
    "ports",
    "/ports",
    "port",
    changeable={
        "security_groups": [Ref("security group", "default")],
        "allowed_address_pairs": [],
        "qos_policy_id": None,
        "dns_name": "",
        "extra_dhcp_opts": [],
    },
    kept={"extra_dhcp_opts": dhcp_option.forgetting},
    compared=(
        "mac_address",
        "fixed_ips",
        "security_groups",
        "port_security_enabled",
        "allowed_address_pairs",
        "qos_policy_id",
        "dns_name",
        "extra_dhcp_opts",
        "admin_state_up",
    ),
    # Of a routed network it has none until it is bound.
    completed=lambda seen: ("fixed_ips",) if seen.get("ip_allocation") == "deferred" else (),
    is_neutrons=lambda seen: not is_for_a_vm(seen),
)

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
    """Another address that the port may send from. As one word: the address, a network, or a port without a guest."""

    word_field: ClassVar[str] = "address"

    address: PairRef = Field(
        description="An address, a network in CIDR form, or one of `ports`: the port may send from there, too."
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
        default=(), description="A list of `address` (or CIDR, or one of `ports`), `mac`."
    )
    qos_policy: QosPolicyRef | None = Field(default=None, description="Its QoS policy.")
    nic: NicKind = Field(default=DEFAULT_NIC, description=NIC)
    dns_name: DnsName | None = Field(
        default=None, description="What others in the network know it by, where it is not as its guest is called."
    )
    dhcp_options: dict[Option, OptionValue] = Field(
        default={},
        description="What DHCP gives it beside what it gives all, by name or number: `{bootfile-name: pxelinux.0, "
        "server-ip-address: 10.0.0.5}`.",
    )
    dhcpv6_options: dict[Optionv6, OptionValue] = Field(
        default={}, description="What DHCPv6 gives it: `{59: 'tftp://[fd00::5]/boot.efi'}`."
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
        refuse_far(self.fixed_ips, self.network, info)
        return self

    @model_validator(mode="after")
    def _fits(self) -> PortFile:
        if self.port_security is False and (self.security_groups or self.allowed_address_pairs):
            raise ValueError("without port_security a port has no security_groups and no allowed_address_pairs")
        vlans = [subport.vlan for subport in self.trunk]
        if len(vlans) != len(set(vlans)):
            raise ValueError("two subports of a trunk cannot have the same vlan")
        return self


def refuse_far(fixed_ips: tuple[FixedIpFile, ...], network: str, info: ValidationInfo) -> None:
    """Compare addresses with the network's subnets as the file has them. Raises ValueError: one is in none.

    What is wrong with the subnets is told there.
    """
    try:
        subnets = [ip_network(cidr) for cidr in sorted((info.context or {}).get(subnets_of(network), ()))]
    except ValueError:
        return
    for fixed in fixed_ips:
        if subnets and fixed.address and not any(ip_address(fixed.address) in subnet for subnet in subnets):
            there = ", ".join(map(str, subnets))
            raise ValueError(f"{fixed.address} is in no subnet of the network {network!r}: {there}")


# -- as Neutron is told of them ----------------------------------------------------------------------------------


def described(
    network: str,
    fixed_ips: tuple[FixedIpFile, ...],
    security_groups: tuple[str, ...] | None,
    *,
    port_security: bool | None,
) -> dict[str, Any]:
    """Describe to Neutron what all ports have."""
    attributes: dict[str, Any] = {"network_id": Ref("network", network)}
    if fixed_ips:
        attributes["fixed_ips"] = [_fixed_ip(fixed) for fixed in fixed_ips]
    if security_groups is not None:
        attributes["security_groups"] = [Ref("security group", group) for group in security_groups]
    if port_security is not None:
        attributes["port_security_enabled"] = port_security
        if not port_security:
            attributes["security_groups"] = []
    return attributes


def _fixed_ip(wanted: FixedIpFile) -> dict[str, Any]:
    subnet = {"subnet_id": Ref("subnet", wanted.subnet)} if wanted.subnet else {}
    return subnet | ({"ip_address": wanted.address} if wanted.address else {})


def pairs(wanted: AddressPair, unbound: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Describe an address pair: one for each address that is meant; ``unbound`` are the ports that have no guest."""
    addresses: list[Any] = [wanted.address]
    if port := unbound.get(wanted.address):
        # Those that the file says: then a change of them is one of the pairs alone.
        stated = [fixed.address for fixed in port.fixed_ips if fixed.address]
        addresses = stated or [AddressOf(Ref(PORT.name, wanted.address))]
    for address in addresses:
        yield {"ip_address": address, **({"mac_address": wanted.mac} if wanted.mac else {})}
