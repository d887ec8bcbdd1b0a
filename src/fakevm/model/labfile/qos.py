"""QoS policies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from pydantic import Field, field_validator

from fakevm.model.feature import Feature
from fakevm.model.remark import Remark
from fakevm.model.resource import NOTHING, Kind, Naming, Ref, Resource, Seen
from fakevm.model.value import Value

from .resource import ResourceFile
from .security import Direction
from .word import Rate, require_unique

# The database's integer.
_LARGEST = 2**31 - 1


def _limits(name: str, policy: Seen, _naming: Naming) -> Iterator[tuple[Ref, Seen]]:
    for rule in policy["rules"]:
        yield Ref("bandwidth limit", f"{name}: {rule.get('direction')}"), rule


POLICY = Kind(
    "QoS policy",
    "QoS policies",
    "/qos/policies",
    "policy",
    extension="qos",
    service_plugin="qos",
    parts=_limits,
    used_until_changed=True,
)
LIMIT = Kind(
    "bandwidth limit",
    "QoS rules",
    "/qos/policies/{parent}/bandwidth_limit_rules",
    "bandwidth_limit_rule",
    label="",
    part_of="QoS policy",
    changeable={"max_kbps": NOTHING, "max_burst_kbps": NOTHING},
    goes_along=True,
)


class BandwidthLimit(Value):
    """How much may pass: ``rate`` in kbit/s (or 10 Mbit/s), ``burst`` in kbit (0: Neutron's choice)."""

    direction: Direction = Field(default="egress", description="`ingress`: to the guest; `egress`: from it.")
    rate: Rate = Field(description="In kbit/s, or with a unit: `10 Mbit/s`.")
    burst: int = Field(default=0, ge=0, le=_LARGEST, description="In kbit; 0: Neutron's choice.")


class QosPolicyFile(ResourceFile):
    """A QoS policy; ``bandwidth_limits`` has at most one for each direction."""

    kinds: ClassVar[tuple[Kind, ...]] = (POLICY, LIMIT)
    features: ClassVar[tuple[Feature, ...]] = ("qos",)

    bandwidth_limits: tuple[BandwidthLimit, ...] = Field(
        default=(),
        description="`direction` (`egress`), `rate` (kbit/s, or `10 Mbit/s`), `burst` (kbit; 0: Neutron's choice).",
    )

    @field_validator("bandwidth_limits")
    @classmethod
    def _one_for_each_direction(cls, limits: tuple[BandwidthLimit, ...]) -> tuple[BandwidthLimit, ...]:
        require_unique(tuple(limit.direction for limit in limits), "a limit of the direction")
        return limits

    def limits(self, direction: Direction) -> tuple[BandwidthLimit, ...]:
        """Give the limits of one direction."""
        return tuple(limit for limit in self.bandwidth_limits if limit.direction == direction)

    def described(self, name: str, lab: Any) -> Iterator[Resource]:
        """Describe the policy and its bandwidth limits."""
        policy = Ref(POLICY.name, name)
        yield Resource(policy, {})
        for limit in self.bandwidth_limits:
            attributes = {"direction": limit.direction, "max_kbps": round(limit.rate), "max_burst_kbps": limit.burst}
            yield Resource(Ref(LIMIT.name, f"{name}: {limit.direction}"), attributes, parent=policy)

    def wrong(self, name: str) -> Iterator[Remark]:
        """Find limits that are too large."""
        for index, limit in enumerate(self.bandwidth_limits):
            if max(limit.rate, limit.burst) > _LARGEST:
                yield Remark(f"Neutron takes {_LARGEST} kbit/s at most", ("bandwidth_limits", index))
