"""What a lab file says of Neutron's resources: the base of those values, one module for each kind (docs/adr/0038)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from fakevm.model.feature import Feature
from fakevm.model.remark import Remark
from fakevm.model.resource import Kind, Resource
from fakevm.model.value import Value


class ResourceFile(Value):
    """A resource with its parts, as a lab file has it. A key of the lab file that holds such values is all that is
    needed for them to be known, made, compared, changed and removed.
    """

    kinds: ClassVar[tuple[Kind, ...]]
    """Its kind, then those of its parts."""
    features: ClassVar[tuple[Feature, ...]] = ()
    """What a backend must have for it; without, it is left out, and so is what refers to it."""

    def described(self, name: str, lab: Any) -> Iterator[Resource]:
        """Describe it and its parts to Neutron; ``lab`` is the file that it is in."""
        raise NotImplementedError

    @property
    def services(self) -> tuple[str, ...]:
        """Name the services of Neutron's (``lab/services``) that it needs, beside the service plugins of its kinds."""
        return ()

    def without(self, feature: Feature) -> tuple[ResourceFile, tuple[str, ...]]:
        """Give what is left of it without a feature that only parts of it need, and name those."""
        return self, ()

    def wrong(self, name: str) -> Iterator[Remark]:
        """Find what Neutron would refuse of it; the remark's place is seen from the resource."""
        yield from ()
