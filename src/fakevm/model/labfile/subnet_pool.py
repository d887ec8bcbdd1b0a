"""Subnet pools: networks of which subnets are taken."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, Field, field_validator

from fakevm.model.resource import NOTHING, Kind, Ref, Resource

from .address_scope import SCOPE, AddressScopeRef
from .reference import RefersTo
from .resource import ResourceFile
from .sharing import SHARED_WITH, SharedWith, shared
from .word import Cidr, require_unique

POOL = Kind(
    "subnet pool",
    "subnet pools",
    "/subnetpools",
    "subnetpool",
    # Neutron takes more prefixes, and gives none up (SubnetPoolHelper, 29.0.0).
    changeable={"prefixes": NOTHING, "default_prefixlen": NOTHING, "address_scope_id": None},
    # Not default_prefixlen, which Neutron tells as a word when it has changed the pool, and else as a number (29.0.0).
    compared=("prefixes", "address_scope_id"),
)

SubnetPoolRef = Annotated[str, AfterValidator(RefersTo(POOL.name))]


class SubnetPoolFile(ResourceFile):
    """A subnet pool; ``prefix`` is the length that its subnets have when nobody says another."""

    kinds: ClassVar[tuple[Kind, ...]] = (POOL,)

    prefixes: Annotated[tuple[Cidr, ...], Field(min_length=1)] = Field(
        description="Its networks, in CIDR form, of one version: `[10.0.0.0/8]`."
    )
    prefix: Annotated[int, Field(ge=1, le=128)] | None = Field(
        default=None,
        description="How long the prefix of a subnet is that does not say it; by default Neutron's choice.",
    )
    scope: AddressScopeRef | None = Field(default=None, description="The address scope that it is in.")
    shared_with: SharedWith = SHARED_WITH

    @field_validator("prefixes")
    @classmethod
    def _of_one_version(cls, prefixes: tuple[str, ...]) -> tuple[str, ...]:
        require_unique(prefixes, "the prefix")
        if len({ipaddress.ip_network(prefix).version for prefix in prefixes}) > 1:
            raise ValueError("a subnet pool is of IPv4 or of IPv6, not of both")
        return prefixes

    @property
    def version(self) -> int:
        """4 or 6."""
        return ipaddress.ip_network(self.prefixes[0]).version

    def described(self, name: str, lab: Any) -> Iterator[Resource]:
        """Describe the pool."""
        attributes: dict[str, Any] = {"prefixes": _compact(self.prefixes)}
        if self.prefix:
            attributes["default_prefixlen"] = self.prefix
        if self.scope:
            attributes["address_scope_id"] = Ref(SCOPE.name, self.scope)
        own = Ref(POOL.name, name)
        yield Resource(own, attributes)
        yield from shared(own, self.shared_with)


def _compact(prefixes: Iterable[str]) -> list[str]:
    """Write prefixes as Neutron keeps them (SubnetPoolReader, 29.0.0): none within another one, neighbours as one."""
    networks = [ipaddress.ip_network(prefix) for prefix in prefixes]
    of_4 = ipaddress.collapse_addresses(net for net in networks if isinstance(net, ipaddress.IPv4Network))
    of_6 = ipaddress.collapse_addresses(net for net in networks if isinstance(net, ipaddress.IPv6Network))
    return [str(net) for net in (*of_4, *of_6)]
