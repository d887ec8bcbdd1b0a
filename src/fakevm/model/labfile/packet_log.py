"""Packet logs: what security groups accept or drop is written down on the hosts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

from pydantic import Field

from fakevm.model.feature import Feature
from fakevm.model.resource import Kind, Ref, Resource

from .port_choice import PortChoice
from .reference import SecurityGroupRef
from .resource import ResourceFile

SERVICE = "log"

LOG = Kind(
    "packet log",
    "packet logs",
    "/log/logs",
    "log",
    # It has no tags (Log, neutron/db/models/loggingapi.py, 29.0.0).
    mark="description",
    extension="logging",
    changeable={"enabled": True},
    compared=("event", "resource_id", "target_id", "enabled"),
)


class PacketLogFile(ResourceFile, PortChoice):
    """A packet log. Of one group, of one port (``guest``, ``port``), of both, or of all that the project has."""

    kinds: ClassVar[tuple[Kind, ...]] = (LOG,)
    features: ClassVar[tuple[Feature, ...]] = ("packet-logs",)

    event: Literal["accept", "drop", "all"] = Field(
        default="all", description="What is written down: what groups `accept`, what they `drop`, or `all`."
    )
    security_group: SecurityGroupRef | None = Field(default=None, description="Of this group alone.")
    enabled: bool = Field(default=True, description="Whether it is written now.")

    @property
    def services(self) -> tuple[str, ...]:
        """See ResourceFile."""
        return (SERVICE,)

    def described(self, name: str, lab: Any) -> Iterator[Resource]:
        """Describe the log."""
        attributes: dict[str, Any] = {
            "resource_type": "security_group",
            "event": self.event.upper(),
            "enabled": self.enabled,
        }
        if self.security_group:
            attributes["resource_id"] = Ref("security group", self.security_group)
        if port := self.port_name(lab):
            attributes["target_id"] = Ref("port", port)
        yield Resource(Ref(LOG.name, name), attributes)
