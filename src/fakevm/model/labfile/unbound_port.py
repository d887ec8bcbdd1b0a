"""Ports without a guest: addresses that guests share (VRRP), or that somebody else has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from pydantic import Field, ValidationInfo, model_validator

from fakevm.model.resource import Kind, Ref, Resource

from .port import PORT, FixedIpFile, described, refuse_far
from .reference import NetworkRef, SecurityGroupRef
from .resource import ResourceFile
from .word import MacAddress, WordValue


class UnboundPortFile(ResourceFile, WordValue):
    """A port that no guest has. As one word: the network."""

    word_field: ClassVar[str] = "network"
    kinds: ClassVar[tuple[Kind, ...]] = (PORT,)

    network: NetworkRef = Field(description="The network that it is in.")
    mac: MacAddress | None = Field(default=None, description="Its MAC address.")
    fixed_ips: tuple[FixedIpFile, ...] = Field(default=(), description="A list of `address`, `subnet`, or both.")
    security_groups: tuple[SecurityGroupRef, ...] | None = Field(
        default=None, description="Groups that its addresses are members of, by name; `[]`: none."
    )
    port_security: bool | None = Field(default=None, description="As of a guest's port.")

    @model_validator(mode="after")
    def _addresses_are_in_the_network(self, info: ValidationInfo) -> UnboundPortFile:
        refuse_far(self.fixed_ips, self.network, info)
        return self

    def described(self, name: str, lab: Any) -> Iterator[Resource]:
        """Describe the port, which nobody owns and no host has."""
        attributes = described(self.network, self.fixed_ips, self.security_groups, port_security=self.port_security)
        yield Resource(Ref(PORT.name, name), attributes | ({"mac_address": self.mac} if self.mac else {}))
