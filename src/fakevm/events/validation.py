"""Which bodies Nova takes: nova.api.openstack.compute.schemas.server_external_events, as of microversion 2.1."""

from __future__ import annotations

from typing import Any

from fakevm.model.identity import is_uuid

# Neutron asks for 2.1 (neutron.notifiers.nova.NOVA_API_VERSION); later microversions add events of other services.
NAMES = ("network-changed", "network-vif-plugged", "network-vif-unplugged", "network-vif-deleted")
STATUSES = ("failed", "completed", "in-progress")
TAG_LENGTH = 255
REQUIRED = ("server_uuid", "name")
ALLOWED = (*REQUIRED, "status", "tag")


class BadBody(ValueError):
    """A body that Nova would answer with 400; the text says why."""


def events_of(body: object) -> list[dict[str, str]]:
    """Give the events of a body. Raises BadBody."""
    if not isinstance(body, dict):
        raise BadBody(f"{body!r} is not of type 'object'")
    _keys(body, required=("events",), allowed=("events",))
    events = body["events"]
    if not isinstance(events, list):
        raise BadBody(f"Invalid input for field/attribute events. Value: {events!r}. It is not of type 'array'")
    if not events:
        raise BadBody("Invalid input for field/attribute events. Value: []. [] is too short")
    for at, event in enumerate(events):
        _check(at, event)
    return events


def _check(at: int, event: Any) -> None:
    if not isinstance(event, dict):
        raise _invalid(at, event, f"{event!r} is not of type 'object'")
    _keys(event, required=REQUIRED, allowed=ALLOWED)
    for name, value in event.items():
        if not isinstance(value, str):
            raise _invalid(name, value, f"{value!r} is not of type 'string'")
    if event["name"] not in NAMES:
        raise _invalid("name", event["name"], f"{event['name']!r} is not one of {list(NAMES)}")
    if event.get("status", "completed") not in STATUSES:
        raise _invalid("status", event["status"], f"{event['status']!r} is not one of {list(STATUSES)}")
    if not is_uuid(event["server_uuid"]):
        raise _invalid("server_uuid", event["server_uuid"], f"{event['server_uuid']!r} is not a 'uuid'")
    if len(event.get("tag", "")) > TAG_LENGTH:
        raise _invalid("tag", event["tag"], f"{event['tag']!r} is too long")


def _keys(mapping: dict[str, Any], *, required: tuple[str, ...], allowed: tuple[str, ...]) -> None:
    for name in required:
        if name not in mapping:
            raise BadBody(f"{name!r} is a required property")
    for name in mapping:
        if name not in allowed:
            raise BadBody(f"Additional properties are not allowed ({name!r} was unexpected)")


def _invalid(name: object, value: object, why: str) -> BadBody:
    return BadBody(f"Invalid input for field/attribute {name}. Value: {value}. {why}")
