"""RBAC between projects: with whom the resources of a lab file are shared."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated

from pydantic import AfterValidator, Field

from fakevm.model.resource import Elsewhere, Kind, Project, Ref, Resource, Seen

from .word import Label, require_unique

EVERYBODY = "*"
_SHARED = "access_as_shared"
# What Neutron calls what can be shared (rbac_object_types of neutron.extensions.rbac, 29.0.0).
_TYPES: Mapping[str, str] = {
    "network": "network",
    "security group": "security_group",
    "address group": "address_group",
    "address scope": "address_scope",
    "subnet pool": "subnetpool",
    "QoS policy": "qos_policy",
}
_KINDS = {type_: kind for kind, type_ in _TYPES.items()}


def _found(rows: Iterable[Seen], names: Mapping[str, str]) -> Iterator[tuple[str, Seen]]:
    """Name those of the lab's resources; an external network has one that Neutron made with it, of another action."""
    for row in rows:
        name, kind = names.get(row["object_id"]), _KINDS.get(row["object_type"])
        if name and kind and row["action"] == _SHARED:
            project = names.get(row["target_tenant"], row["target_tenant"])
            yield _words(Ref(kind, name), project), {**row, "parent": row["object_id"], "target_tenant": project}


def _words(shared: Ref, project: str) -> str:
    return f"{shared} for {'all' if project == EVERYBODY else project}"


POLICY = Kind(
    "RBAC policy",
    "RBAC policies",
    "/rbac-policies",
    "rbac_policy",
    label="",
    extension="rbac-policies",
    elsewhere=Elsewhere("/rbac-policies", {"action": _SHARED}, _found),
    goes_along=True,
)


def _each_once(projects: tuple[str, ...]) -> tuple[str, ...]:
    require_unique(projects, "the project")
    return projects


SharedWith = Annotated[tuple[Label, ...], AfterValidator(_each_once)]
SHARED_WITH = Field(default=(), description="Projects that may use it, too, by name: `[demo]`; `['*']`: all.")


def shared(own: Ref, projects: Iterable[str]) -> Iterator[Resource]:
    """Describe with which projects a resource is shared."""
    for project in projects:
        attributes = {
            "object_type": _TYPES[own.kind],
            "object_id": own,
            "action": _SHARED,
            "target_tenant": project if project == EVERYBODY else Project(project),
        }
        yield Resource(Ref(POLICY.name, _words(own, project)), attributes, parent=own)
