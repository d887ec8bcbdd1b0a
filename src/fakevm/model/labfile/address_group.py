"""Address groups: lists of networks that rules of security groups name."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, Field, field_validator

from fakevm.model.feature import Feature
from fakevm.model.resource import Kind, Ref, Resource

from .reference import RefersTo
from .resource import ResourceFile
from .sharing import SHARED_WITH, SharedWith, shared
from .word import Cidr, require_unique

GROUP = Kind(
    "address group",
    "address groups",
    "/address-groups",
    "address_group",
    # It has no tags (AddressGroup, neutron/db/models/address_group.py, 29.0.0).
    mark="description",
    extension="address-group",
    changeable={"addresses": []},
    members={"addresses": ("add_addresses", "remove_addresses")},
    used_until_changed=True,
)

AddressGroupRef = Annotated[str, AfterValidator(RefersTo(GROUP.name))]


def _brief(cidr: str) -> str:
    network = ipaddress.ip_network(cidr)
    return str(network.network_address) if network.num_addresses == 1 else cidr


class AddressGroupFile(ResourceFile):
    """An address group. A member without a prefix length is one address."""

    kinds: ClassVar[tuple[Kind, ...]] = (GROUP,)
    features: ClassVar[tuple[Feature, ...]] = ("security-groups",)

    addresses: tuple[Annotated[Cidr, AfterValidator(_brief)], ...] = Field(
        default=(),
        description="Addresses, and networks in CIDR form, of either version: `[10.0.0.7, 10.1.0.0/24]`. "
        "`lab apply` changes them in place.",
    )
    shared_with: SharedWith = SHARED_WITH

    @field_validator("addresses")
    @classmethod
    def _each_once(cls, addresses: tuple[str, ...]) -> tuple[str, ...]:
        require_unique(addresses, "the address")
        return addresses

    def described(self, name: str, lab: Any) -> Iterator[Resource]:
        """Describe the group; Neutron keeps all its members as networks."""
        members = [str(ipaddress.ip_network(address)) for address in self.addresses]
        own = Ref(GROUP.name, name)
        yield Resource(own, {"addresses": members})
        yield from shared(own, self.shared_with)
