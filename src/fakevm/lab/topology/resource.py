"""What a lab file wants of Neutron: resources by name, with references to one another instead of ids."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

KindName = Literal[
    "QoS policy",
    "bandwidth limit",
    "security group",
    "security group rule",
    "network",
    "subnet",
    "router",
    "router interface",
    "router routes",
    "port",
    "trunk",
    "floating IP",
]


class Ref(NamedTuple):
    """A resource by its kind and name; in attributes it stands for the resource's id."""

    kind: KindName
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True)
class Resource:
    """A resource: its attributes as Neutron's API takes them, but with a Ref where an id belongs.

    ``parent`` is the resource of which it is a part (a rule of its group, an interface of its router).
    """

    ref: Ref
    attributes: dict[str, Any]
    parent: Ref | None = None


@dataclass(frozen=True)
class Kind:
    """How Neutron's API names a kind of resource.

    ``path`` may hold the parent's id. ``key`` wraps a resource in requests and answers (empty: nothing does).
    ``label`` is the attribute that holds our name; kinds without one are parts of others and have no tags either.
    """

    path: str
    key: str
    label: str = "name"
    method: Literal["POST", "PUT"] = "POST"

    @property
    def collection(self) -> str:
        """What holds the list in an answer."""
        return self.path.rpartition("/")[2].replace("-", "_")


KINDS: dict[KindName, Kind] = {
    "QoS policy": Kind("/qos/policies", "policy"),
    "bandwidth limit": Kind("/qos/policies/{parent}/bandwidth_limit_rules", "bandwidth_limit_rule", label=""),
    "security group": Kind("/security-groups", "security_group"),
    "security group rule": Kind("/security-group-rules", "security_group_rule", label=""),
    "network": Kind("/networks", "network"),
    "subnet": Kind("/subnets", "subnet"),
    "router": Kind("/routers", "router"),
    "router interface": Kind("/routers/{parent}/add_router_interface", "", label="", method="PUT"),
    "router routes": Kind("/routers/{parent}", "router", label="", method="PUT"),
    "port": Kind("/ports", "port"),
    "trunk": Kind("/trunks", "trunk"),
    # A floating IP has no name.
    "floating IP": Kind("/floatingips", "floatingip", label="description"),
}


def resolved(value: Any, ids: Mapping[Ref, str]) -> Any:
    """Put ids in the place of references. Raises KeyError for what is not there."""
    if isinstance(value, Ref):
        return ids[value]
    if isinstance(value, dict):
        return {key: resolved(item, ids) for key, item in value.items()}
    if isinstance(value, list):
        return [resolved(item, ids) for item in value]
    return value
