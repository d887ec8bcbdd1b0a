"""Metering labels: what L3 agents' routers count together of what leaves to external networks, or comes from there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, Field, field_validator, model_validator

from fakevm.model.feature import Feature
from fakevm.model.resource import Elsewhere, Kind, Ref, Resource, Seen
from fakevm.model.value import Value

from .reference import RefersTo
from .resource import ResourceFile
from .security import Direction
from .word import Cidr, require_unique

SERVICE = "metering"
_PREFIXES = ("source_ip_prefix", "destination_ip_prefix")


def _words(rule: Seen) -> str:
    """Say what a rule counts: two that count the same have the same words."""
    ends = (f"{key.partition('_')[0]} {rule[key]}" for key in _PREFIXES if rule.get(key))
    return " ".join((rule["direction"], *ends, *(("not",) if rule["excluded"] else ())))


LABEL = Kind(
    "metering label",
    "metering labels",
    "/metering/metering-labels",
    "metering_label",
    # It has no tags (MeteringLabel, neutron/db/models/metering.py, 29.0.0).
    mark="description",
    extension="metering",
    compared=("shared",),
)
RULE = Kind(
    "metering rule",
    "metering rules",
    "/metering/metering-label-rules",
    "metering_label_rule",
    label="",
    part_of="metering label",
    extension="metering",
    elsewhere=Elsewhere("/metering/metering-label-rules", {}, Elsewhere.called(_words, "metering_label_id")),
    goes_along=True,
)

MeteringLabelRef = Annotated[str, AfterValidator(RefersTo(LABEL.name))]


class MeteringRule(Value):
    """What is counted: packets of a direction, seen from the router, with an address from and to these networks."""

    direction: Direction = Field(
        default="egress", description="`egress`: what leaves to the external network; `ingress`: what comes from there."
    )
    source: Cidr | None = Field(default=None, description="The network that they come from, in CIDR form.")
    destination: Cidr | None = Field(default=None, description="The network that they go to, in CIDR form.")
    excluded: bool = Field(default=False, description="Whether these are not counted, though another rule says so.")

    @model_validator(mode="after")
    def _counts_something(self) -> MeteringRule:
        if not (self.source or self.destination):
            raise ValueError("give a source, a destination, or both: 0.0.0.0/0 is everything")
        return self

    @property
    def attributes(self) -> dict[str, Any]:
        """Describe it to Neutron."""
        ends = zip(_PREFIXES, (self.source, self.destination), strict=True)
        return {"direction": self.direction, "excluded": self.excluded} | {key: net for key, net in ends if net}


class MeteringLabelFile(ResourceFile):
    """A metering label with its rules; one that is ``shared`` counts in the routers of all projects."""

    kinds: ClassVar[tuple[Kind, ...]] = (LABEL, RULE)
    features: ClassVar[tuple[Feature, ...]] = ("metering",)

    rules: tuple[MeteringRule, ...] = Field(
        default=(),
        description="What is counted: `direction` (`egress`), `source` and `destination` (CIDR), `excluded`.",
    )
    shared: bool = Field(default=False, description="Whether it counts in the routers of all projects.")

    @field_validator("rules")
    @classmethod
    def _each_once(cls, rules: tuple[MeteringRule, ...]) -> tuple[MeteringRule, ...]:
        require_unique(tuple(_words(rule.attributes) for rule in rules), "the rule")
        return rules

    @property
    def services(self) -> tuple[str, ...]:
        """See ResourceFile."""
        return (SERVICE,)

    def described(self, name: str, lab: Any) -> Iterator[Resource]:
        """Describe the label and its rules."""
        label = Ref(LABEL.name, name)
        yield Resource(label, {"shared": self.shared})
        for rule in self.rules:
            attributes = rule.attributes | {"metering_label_id": label}
            yield Resource(Ref(RULE.name, f"{name}: {_words(attributes)}"), attributes, parent=label)
