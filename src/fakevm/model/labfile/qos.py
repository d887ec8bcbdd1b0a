"""QoS policies."""

from __future__ import annotations

from pydantic import Field, field_validator

from fakevm.model.value import Value

from .security import Direction
from .word import Rate, require_unique


class BandwidthLimit(Value):
    """How much may pass: ``rate`` in kbit/s (or 10 Mbit/s), ``burst`` in kbit (0: Neutron's choice)."""

    direction: Direction = Field(default="egress", description="`ingress`: to the guest; `egress`: from it.")
    rate: Rate = Field(description="In kbit/s, or with a unit: `10 Mbit/s`.")
    burst: int = Field(default=0, ge=0, le=2**31 - 1, description="In kbit; 0: Neutron's choice.")


class QosPolicyFile(Value):
    """A QoS policy; ``bandwidth_limits`` has at most one for each direction."""

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
