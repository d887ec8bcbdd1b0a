"""Guests, their ports, and what runs in them."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Annotated, ClassVar

from pydantic import Field, ValidationInfo, field_validator, model_validator

from fakevm.model.port import Addressing
from fakevm.model.value import Value

from .known import subnets_of
from .reference import ComputeHostRef, NetworkRef, QosPolicyRef, SecurityGroupRef, SubnetRef
from .word import Address, AddressOrCidr, Duration, MacAddress, VlanId, WordValue


class FixedIpFile(WordValue):
    """An address that a port asks for, or a subnet to have one of. As one word: the address."""

    word_field: ClassVar[str] = "address"

    address: Address | None = None
    subnet: SubnetRef | None = None

    @model_validator(mode="after")
    def _something(self) -> FixedIpFile:
        if not (self.address or self.subnet):
            raise ValueError("give an address, a subnet, or both")
        return self


class AddressPair(WordValue):
    """Another address that the port may send from. As one word: the address, or a network in CIDR form."""

    word_field: ClassVar[str] = "address"

    address: AddressOrCidr
    mac: MacAddress | None = None


class Subport(Value):
    """A network that comes tagged over the port: its VLAN id there."""

    network: NetworkRef
    vlan: VlanId
    fixed_ips: tuple[FixedIpFile, ...] = ()
    security_groups: tuple[SecurityGroupRef, ...] | None = None
    port_security: bool | None = None


class PortFile(WordValue):
    """A port of a guest. As one word: the network. ``security_groups``: None is Neutron's default group."""

    word_field: ClassVar[str] = "network"

    network: NetworkRef
    mac: MacAddress | None = None
    fixed_ips: tuple[FixedIpFile, ...] = ()
    addressing: Addressing = "auto"
    security_groups: tuple[SecurityGroupRef, ...] | None = None
    port_security: bool | None = None
    allowed_address_pairs: tuple[AddressPair, ...] = ()
    qos_policy: QosPolicyRef | None = None
    trunk: tuple[Subport, ...] = ()

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


class RunFile(WordValue):
    """A command for the guest's shell, run when it has its addresses. As one word: the command.

    ``background`` leaves it running; else it must end well within ``timeout``.
    """

    word_field: ClassVar[str] = "command"

    command: Annotated[str, Field(min_length=1)]
    background: bool = False
    timeout: Duration = 60.0


class GuestFile(Value):
    """A guest. ``host``: None is one of the compute hosts in turn; ``keys`` are SSH public keys by name."""

    host: ComputeHostRef | None = None
    ports: tuple[PortFile, ...]
    user_data: str = ""
    keys: dict[str, str] = {}
    run: tuple[RunFile, ...] = ()

    @field_validator("ports")
    @classmethod
    def _some_ports(cls, ports: tuple[PortFile, ...]) -> tuple[PortFile, ...]:
        if not ports:
            raise ValueError("a guest needs at least one port")
        return ports
