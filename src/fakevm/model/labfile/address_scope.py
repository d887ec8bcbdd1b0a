"""Address scopes: between networks of different ones no router of Neutron's leads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field

from fakevm.model.feature import Feature
from fakevm.model.resource import Kind, Ref, Resource

from .reference import RefersTo
from .resource import ResourceFile
from .sharing import SHARED_WITH, SharedWith, shared

SCOPE = Kind(
    "address scope",
    "address scopes",
    "/address-scopes",
    "address_scope",
    # It has neither tags nor a description (neutron/db/models/address_scope.py, 29.0.0).
    mark="project",
    extension="address-scope",
    compared=("ip_version",),
    used_until_changed=True,
)

AddressScopeRef = Annotated[str, AfterValidator(RefersTo(SCOPE.name))]


class AddressScopeFile(ResourceFile):
    """An address scope; subnet pools are in it, and by them subnets."""

    kinds: ClassVar[tuple[Kind, ...]] = (SCOPE,)
    features: ClassVar[tuple[Feature, ...]] = ("address-scopes",)

    version: Literal[4, 6] = Field(default=4, description="Of IPv4 or of IPv6.")
    shared_with: SharedWith = SHARED_WITH

    def described(self, name: str, lab: Any) -> Iterator[Resource]:
        """Describe the scope."""
        own = Ref(SCOPE.name, name)
        yield Resource(own, {"ip_version": self.version})
        yield from shared(own, self.shared_with)
