"""``/os-server-groups``."""

from __future__ import annotations

import uuid
from typing import Any

import flask

from fakevm.compute.model.group import Group, Policy
from fakevm.compute.shelves import Shelves
from fakevm.compute.web import asking
from fakevm.compute.web.asking import Body, Name
from fakevm.compute.web.faults import bad, not_found


class Rules(Body):
    """What a policy says beside its name."""

    max_server_per_host: int | None = None


class GroupBody(Body):
    """What is said of a new one: ``policies`` before 2.64, ``policy`` since then."""

    name: Name
    policies: tuple[Policy, ...] = ()
    policy: Policy | None = None
    rules: Rules = Rules()


class CreateGroup(Body):
    """The request."""

    server_group: GroupBody


def make(shelves: Shelves) -> flask.Blueprint:
    """Make the requests."""
    api = flask.Blueprint("groups", __name__, url_prefix="/compute/v2.1")

    @api.get("/os-server-groups")
    def listed() -> dict[str, Any]:
        asker = asking.require("os-server-groups:index", "reader")
        everybodys = asker.is_admin and asking.flag("all_projects")
        found = [g for g in shelves.groups.all() if everybodys or g.project_id == asker.project_id]
        return {"server_groups": [_shown(shelves, group) for group in found]}

    @api.post("/os-server-groups")
    def create() -> dict[str, Any]:
        asker = asking.require("os-server-groups:create")
        asked = asking.body(CreateGroup).server_group
        policy = asked.policy if asking.since(64) else next(iter(asked.policies), None)
        if policy is None:
            raise bad("Invalid input for field/attribute server_group. A policy is a required property")
        group = Group(
            id=str(uuid.uuid4()),
            name=asked.name,
            project_id=asker.project_id,
            user_id=asker.user_id,
            policy=policy,
            rules={name: value for name, value in asked.rules.model_dump().items() if value is not None},
        )
        shelves.groups.put(group.id, group)
        return {"server_group": _shown(shelves, group)}

    @api.get("/os-server-groups/<group_id>")
    def show(group_id: str) -> dict[str, Any]:
        return {"server_group": _shown(shelves, _find(shelves, group_id, "show", "reader"))}

    @api.delete("/os-server-groups/<group_id>")
    def delete(group_id: str) -> tuple[str, int]:
        shelves.groups.delete(_find(shelves, group_id, "delete").id)
        return "", 204

    return api


def _find(shelves: Shelves, group_id: str, doing: str, role: str = "member") -> Group:
    asker = asking.require(f"os-server-groups:{doing}", role)
    found = shelves.groups.get(group_id)
    if found is None or not asker.sees(found.project_id):
        raise not_found(f"Instance group {group_id} could not be found.")
    return found


def _shown(shelves: Shelves, group: Group) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": group.id,
        "name": group.name,
        "members": [server.id for server in shelves.servers.all() if server.group == group.id],
    }
    if asking.since(13):
        shown |= {"project_id": group.project_id, "user_id": group.user_id}
    if asking.since(64):
        return {**shown, "policy": group.policy, "rules": group.rules}
    return {**shown, "policies": [group.policy], "metadata": {}}
