"""``/os-migrations``, and what was done to a server: ``/servers/ID/os-instance-actions``."""

from __future__ import annotations

from typing import Any

import flask

from fakevm.compute.model.action import Action
from fakevm.compute.model.migration import MigrationRecord
from fakevm.compute.shelves import Shelves
from fakevm.compute.web import asking
from fakevm.compute.web.faults import not_found

from .finding import find
from .server_view import host_id


def make(shelves: Shelves) -> flask.Blueprint:
    """Make the requests."""
    api = flask.Blueprint("migrations", __name__, url_prefix="/compute/v2.1")

    @api.get("/os-migrations")
    def migrations() -> dict[str, Any]:
        asking.require("os-migrations:index", "admin")
        asked = flask.request.args
        found = [
            known
            for known in reversed(shelves.migrations.all())
            if asked.get("instance_uuid", known.server) == known.server
            and asked.get("status", known.status) == known.status
            and asked.get("host", known.source) in (known.source, known.destination)
            and asked.get("migration_type", known.type) == known.type
        ]
        return {"migrations": [_migration(known) for known in found]}

    @api.get("/servers/<server_id>/os-instance-actions")
    def actions(server_id: str) -> dict[str, Any]:
        find(shelves, server_id, "os-instance-actions:list", "reader")
        return {"instanceActions": [_action(known) for known in reversed(_of(shelves, server_id))]}

    @api.get("/servers/<server_id>/os-instance-actions/<request_id>")
    def action(server_id: str, request_id: str) -> dict[str, Any]:
        server = find(shelves, server_id, "os-instance-actions:show", "reader")
        for known in _of(shelves, server_id):
            if known.request_id == request_id:
                return {"instanceAction": {**_action(known), "events": [_event(known, host_id(server))]}}
        raise not_found(f"Action {request_id} not found")

    return api


def _of(shelves: Shelves, server_id: str) -> list[Action]:
    return [known for known in shelves.actions.all() if known.server == server_id]


def _time(time: str) -> str | None:
    return time.removesuffix("Z") + ".000000" if time else None


def _migration(known: MigrationRecord) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": known.id,
        "instance_uuid": known.server,
        "status": known.status,
        "source_compute": known.source,
        "source_node": known.source,
        "dest_compute": known.destination,
        "dest_node": known.destination,
        "dest_host": known.destination,
        "old_instance_type_id": 1,
        "new_instance_type_id": 1,
        "created_at": _time(known.created),
        "updated_at": _time(known.updated),
        # Nova's has no such word: how long another guest saw its network gone.
        **({"fakevm_outage_ms": known.outage_ms} if known.outage_ms is not None else {}),
    }
    if asking.since(23):
        shown |= {"migration_type": known.type, "links": []}
    if asking.since(59):
        shown["uuid"] = known.uuid
    if asking.since(80):
        shown |= {"user_id": known.user_id, "project_id": known.project_id}
    return shown


def _action(known: Action) -> dict[str, Any]:
    shown = {
        "action": known.action,
        "instance_uuid": known.server,
        "request_id": known.request_id,
        "user_id": known.user_id,
        "project_id": known.project_id,
        "start_time": _time(known.began),
        "message": "Error" if known.result == "Error" else None,
    }
    return {**shown, "updated_at": _time(known.ended or known.began)} if asking.since(58) else shown


def _event(known: Action, host: str) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "event": f"compute_{known.action}",
        "start_time": _time(known.began),
        "finish_time": _time(known.ended),
        "result": known.result or None,
        "traceback": known.details or None if asking.requester().is_admin else None,
    }
    if asking.since(62):
        shown["hostId"] = host
        if asking.requester().is_admin:
            shown["host"] = known.host
    if asking.since(84):
        shown["details"] = known.details or None
    return shown
