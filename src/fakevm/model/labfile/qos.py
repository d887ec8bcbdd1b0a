"""QoS policies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, TypeVar

from pydantic import AfterValidator, Field, field_validator

from fakevm.model.feature import Feature
from fakevm.model.remark import Remark
from fakevm.model.resource import NOTHING, Kind, Naming, Ref, Resource, Seen
from fakevm.model.value import Value

from .resource import ResourceFile
from .security import Direction
from .sharing import SHARED_WITH, SharedWith, shared
from .word import PacketRate, Rate, require_unique

# The database's integer.
_LARGEST = 2**31 - 1
# neutron_lib.constants.VALID_DSCP_MARKS (29.0.0).
_MARKS = (0, *range(8, 42, 2), 44, 46, 48, 56)


def _rules(name: str, policy: Seen, _naming: Naming) -> Iterator[tuple[Ref, Seen]]:
    for rule in policy["rules"]:
        # A rule that a file cannot have is not looked at.
        if kind := _OF_TYPES.get(rule["type"]):
            yield _rule(kind, name, rule.get("direction") or ""), rule


def _rule(kind: Kind, policy: str, direction: str) -> Ref:
    return Ref(kind.name, f"{policy}: {direction}" if direction else policy)


POLICY = Kind(
    "QoS policy",
    "QoS policies",
    "/qos/policies",
    "policy",
    extension="qos",
    service_plugin="qos",
    parts=_rules,
    used_until_changed=True,
)


def _kind(name: str, word: str, *changeable: str) -> Kind:
    return Kind(
        name,
        "QoS rules",
        f"/qos/policies/{{parent}}/{word}_rules",
        f"{word}_rule",
        label="",
        part_of="QoS policy",
        changeable=dict.fromkeys(changeable, NOTHING),
        goes_along=True,
    )


LIMIT = _kind("bandwidth limit", "bandwidth_limit", "max_kbps", "max_burst_kbps")
PACKET_LIMIT = _kind("packet rate limit", "packet_rate_limit", "max_kpps", "max_burst_kpps")
MARK = _kind("DSCP mark", "dscp_marking", "dscp_mark")
MINIMUM = _kind("minimum bandwidth", "minimum_bandwidth", "min_kbps")
PACKET_MINIMUM = _kind("minimum packet rate", "minimum_packet_rate", "min_kpps")
# What Neutron calls rules of these kinds in a policy.
_OF_TYPES = {kind.key.removesuffix("_rule"): kind for kind in (LIMIT, PACKET_LIMIT, MARK, MINIMUM, PACKET_MINIMUM)}


class BandwidthLimit(Value):
    """How much may pass: ``rate`` in kbit/s (or 10 Mbit/s), ``burst`` in kbit (0: Neutron's choice)."""

    direction: Direction = Field(default="egress", description="`ingress`: to the guest; `egress`: from it.")
    rate: Rate = Field(description="In kbit/s, or with a unit: `10 Mbit/s`.")
    burst: int = Field(default=0, ge=0, le=_LARGEST, description="In kbit; 0: Neutron's choice.")

    @property
    def attributes(self) -> dict[str, Any]:
        """Describe it to Neutron."""
        return {"direction": self.direction, "max_kbps": round(self.rate), "max_burst_kbps": self.burst}


class PacketRateLimit(Value):
    """How many packets may pass: ``rate`` and ``burst`` in thousands a second (0: Neutron's choice)."""

    direction: Direction = Field(default="egress", description="`ingress`: to the guest; `egress`: from it.")
    rate: PacketRate = Field(description="In thousands of packets a second: `2`, or `2 kpps`.")
    burst: int = Field(default=0, ge=0, le=_LARGEST, description="In thousands of packets; 0: Neutron's choice.")

    @property
    def attributes(self) -> dict[str, Any]:
        """Describe it to Neutron."""
        return {"direction": self.direction, "max_kpps": self.rate, "max_burst_kpps": self.burst}


class MinimumBandwidth(Value):
    """How much is to be had at the least."""

    direction: Direction = Field(default="egress", description="`ingress`: to the guest; `egress`: from it.")
    rate: Rate = Field(description="In kbit/s, or with a unit: `10 Mbit/s`.")

    @property
    def attributes(self) -> dict[str, Any]:
        """Describe it to Neutron."""
        return {"direction": self.direction, "min_kbps": round(self.rate)}


class MinimumPacketRate(Value):
    """How many packets are to be had at the least."""

    direction: Literal["ingress", "egress", "any"] = Field(
        default="egress", description="`ingress`: to the guest; `egress`: from it; `any`: both together."
    )
    rate: PacketRate = Field(description="In thousands of packets a second: `2`, or `2 kpps`.")

    @property
    def attributes(self) -> dict[str, Any]:
        """Describe it to Neutron."""
        return {"direction": self.direction, "min_kpps": self.rate}


class _Rules(NamedTuple):
    """The rules that a key of a policy holds, of which there is one for each direction."""

    kind: Kind
    feature: Feature


def _mark(mark: int) -> int:
    if mark not in _MARKS:
        raise ValueError(f"Neutron marks with one of {', '.join(map(str, _MARKS))}")
    return mark


_Directed = TypeVar("_Directed", tuple[BandwidthLimit, ...], tuple[MinimumPacketRate, ...])


class QosPolicyFile(ResourceFile):
    """A QoS policy; of each kind of rule it has at most one for each direction."""

    kinds: ClassVar[tuple[Kind, ...]] = (POLICY, *_OF_TYPES.values())
    features: ClassVar[tuple[Feature, ...]] = ("qos",)
    rules: ClassVar[dict[str, _Rules]] = {
        "bandwidth_limits": _Rules(LIMIT, "qos"),
        "packet_rate_limits": _Rules(PACKET_LIMIT, "packet-rates"),
        "minimum_bandwidths": _Rules(MINIMUM, "minimum-bandwidth"),
        "minimum_packet_rates": _Rules(PACKET_MINIMUM, "packet-rates"),
    }

    bandwidth_limits: tuple[BandwidthLimit, ...] = Field(
        default=(),
        description="`direction` (`egress`), `rate` (kbit/s, or `10 Mbit/s`), `burst` (kbit; 0: Neutron's choice).",
    )
    packet_rate_limits: tuple[PacketRateLimit, ...] = Field(
        default=(), description="`direction` (`egress`), `rate` (`2 kpps`: thousands a second), `burst` (thousands)."
    )
    dscp_mark: Annotated[int, AfterValidator(_mark)] | None = Field(
        default=None, description="What packets that leave the guest are marked with (DSCP): 26."
    )
    minimum_bandwidths: tuple[MinimumBandwidth, ...] = Field(
        default=(), description="`direction` (`egress`), `rate` (kbit/s, or `10 Mbit/s`)."
    )
    minimum_packet_rates: tuple[MinimumPacketRate, ...] = Field(
        default=(), description="`direction` (`egress`, `ingress`, `any`), `rate` (`2 kpps`)."
    )
    shared_with: SharedWith = SHARED_WITH

    @field_validator("bandwidth_limits", "packet_rate_limits", "minimum_bandwidths", "minimum_packet_rates")
    @classmethod
    def _one_for_each_direction(cls, rules: _Directed) -> _Directed:
        require_unique(tuple(rule.direction for rule in rules), "a limit of the direction")
        return rules

    def limits(self, direction: Direction) -> tuple[BandwidthLimit, ...]:
        """Give the bandwidth limits of one direction."""
        return tuple(limit for limit in self.bandwidth_limits if limit.direction == direction)

    def described(self, name: str, lab: Any) -> Iterator[Resource]:
        """Describe the policy and its rules."""
        policy = Ref(POLICY.name, name)
        yield Resource(policy, {})
        for key, (kind, _) in self.rules.items():
            for rule in getattr(self, key):
                yield Resource(_rule(kind, name, rule.direction), rule.attributes, parent=policy)
        if self.dscp_mark is not None:
            yield Resource(_rule(MARK, name, ""), {"dscp_mark": self.dscp_mark}, parent=policy)
        yield from shared(policy, self.shared_with)

    def without(self, feature: Feature) -> tuple[QosPolicyFile, tuple[str, ...]]:
        """See ResourceFile: rules that the backend does not know."""
        lost: dict[str, Any] = {
            key: () for key, of in self.rules.items() if of.feature == feature and getattr(self, key)
        }
        named = [self.rules[key].kind.name for key in lost]
        if feature == "dscp" and self.dscp_mark is not None:
            lost["dscp_mark"] = None
            named.append(MARK.name)
        return (self.model_copy(update=lost) if lost else self), tuple(named)

    def wrong(self, name: str) -> Iterator[Remark]:
        """Find rates that are too large, and rules that contradict one another (neutron.objects.qos)."""
        for index, limit in enumerate(self.bandwidth_limits):
            if max(limit.rate, limit.burst) > _LARGEST:
                yield Remark(f"Neutron takes {_LARGEST} kbit/s at most", ("bandwidth_limits", index))
        most = {limit.direction: limit.rate for limit in self.bandwidth_limits}
        for index, least in enumerate(self.minimum_bandwidths):
            if least.rate > most.get(least.direction, least.rate):
                what = f"the least is more than the limit of {most[least.direction]:g} kbit/s"
                yield Remark(what, ("minimum_bandwidths", index, "rate"))
        directions = [rate.direction for rate in self.minimum_packet_rates]
        if "any" in directions and len(directions) > 1:
            what = "Neutron takes `any` only without `ingress` and `egress`"
            yield Remark(what, ("minimum_packet_rates", directions.index("any"), "direction"))
