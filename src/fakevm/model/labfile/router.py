"""Routers and floating IPs."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from fakevm.model.value import Value

from .network import RouteFile
from .reference import ExternalNetworkRef, GuestRef, NetworkRef, SubnetRef
from .word import Address, ResourceName, WordValue


class RouterInterface(WordValue):
    """A router's leg in a subnet; without ``address`` it is the subnet's gateway. As one word: the subnet."""

    word_field: ClassVar[str] = "subnet"

    subnet: SubnetRef = Field(description="The subnet that the router is in.")
    address: Address | None = Field(
        default=None, description="The router's address there, where it is not the subnet's gateway."
    )


class ExternalGateway(WordValue):
    """A router's way out. As one word: the external network."""

    word_field: ClassVar[str] = "network"

    network: ExternalNetworkRef = Field(description="The external network.")
    addresses: tuple[Address, ...] = Field(
        default=(), description="The addresses to ask for; by default Neutron's choice."
    )
    snat: bool = Field(
        default=True, description="Whether guests without a floating IP get out, by the router's address."
    )


class RouterFile(Value):
    """A router. ``ha``: one of several agents is active (keepalived); ``distributed``: a part on every compute host."""

    interfaces: tuple[RouterInterface, ...] = Field(
        default=(), description="A list of `subnet`, and `address` where it is not the subnet's gateway."
    )
    external_gateway: ExternalGateway | None = Field(
        default=None, description="`network` (an external one); `addresses`: asked for; `snat`: `true`."
    )
    ha: bool = Field(default=False, description="Highly available: keepalived on each host with an L3 agent.")
    distributed: bool = Field(
        default=False,
        description="Needs hosts with `l3_mode` `dvr` and `dvr_snat`; with the backend `ovn` all routers are.",
    )
    routes: tuple[RouteFile, ...] = Field(default=(), description="`[{destination: CIDR, nexthop: ADDRESS}]`.")


class FloatingIpFile(Value):
    """A floating IP. ``network``: the external one it is of; ``port``: the guest's port, by network, if it has many."""

    network: ExternalNetworkRef = Field(description="The external network.")
    guest: GuestRef = Field(description="Whose it is.")
    port: NetworkRef | None = Field(default=None, description="Which port of the guest, by its network.")
    address: Address | None = Field(default=None, description="The address to ask for.")


__all__ = ["ExternalGateway", "FloatingIpFile", "ResourceName", "RouterFile", "RouterInterface"]
