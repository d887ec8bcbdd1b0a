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

    subnet: SubnetRef
    address: Address | None = None


class ExternalGateway(WordValue):
    """A router's way out. As one word: the external network."""

    word_field: ClassVar[str] = "network"

    network: ExternalNetworkRef
    addresses: tuple[Address, ...] = ()
    snat: bool = True


class RouterFile(Value):
    """A router. ``ha``: one of several agents is active (keepalived); ``distributed``: a part on every compute host."""

    interfaces: tuple[RouterInterface, ...] = ()
    external_gateway: ExternalGateway | None = None
    ha: bool = False
    distributed: bool = False
    routes: tuple[RouteFile, ...] = ()


class FloatingIpFile(Value):
    """A floating IP. ``network``: the external one it is of; ``port``: the guest's port, by network, if it has many."""

    network: ExternalNetworkRef
    guest: GuestRef
    port: NetworkRef | None = Field(default=None)
    address: Address | None = None


__all__ = ["ExternalGateway", "FloatingIpFile", "ResourceName", "RouterFile", "RouterInterface"]
