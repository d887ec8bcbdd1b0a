"""``/os-services`` and ``/os-availability-zone``: whether hosts take servers, and in which zone they are."""

from __future__ import annotations

from typing import Any

import flask

from fakevm.compute.model.server import now
from fakevm.compute.model.service import ServiceRecord
from fakevm.compute.shelves import Shelves
from fakevm.compute.web import asking
from fakevm.compute.web.asking import Body
from fakevm.compute.web.faults import bad, not_found
from fakevm.compute.work.placing import ZONE

from .hypervisors import identity

_BINARY = "nova-compute"


class ChangeService(Body):
    """What is said of a service, since 2.53."""

    status: str | None = None
    disabled_reason: str | None = None
    forced_down: bool | None = None


class NameService(Body):
    """Which service, and what is said of it, before 2.53."""

    host: str
    binary: str = _BINARY
    disabled_reason: str | None = None
    forced_down: bool | None = None


def make(shelves: Shelves) -> flask.Blueprint:
    """Make the requests."""
    api = flask.Blueprint("services", __name__, url_prefix="/compute/v2.1")

    @api.get("/os-services")
    def listed() -> dict[str, Any]:
        asking.require("os-services:list", "admin")
        asked = flask.request.args
        working = up(shelves)
        if asked.get("binary", _BINARY) != _BINARY:
            return {"services": []}
        hosts = [host for host in shelves.reach.compute_hosts() if asked.get("host", host) == host]
        return {"services": [_shown(shelves, host, working) for host in hosts]}

    @api.put("/os-services/<word>")
    def update(word: str) -> dict[str, Any]:
        asking.require("os-services:update", "admin")
        if asking.since(53):
            host = next((host for host in shelves.reach.compute_hosts() if identity(host) == word), "")
            asked = asking.body(ChangeService)
            if asked.status not in (None, "enabled", "disabled"):
                raise bad(f"Invalid input for field/attribute status. Value: {asked.status}.")
            said = _change(shelves, host or word, asked.status, asked.disabled_reason, asked.forced_down)
            return {"service": _shown(shelves, said.host, up(shelves))}
        named = asking.body(NameService)
        status = {"enable": "enabled", "disable": "disabled", "disable-log-reason": "disabled"}.get(word)
        said = _change(shelves, named.host, status, named.disabled_reason, named.forced_down)
        shown: dict[str, Any] = {"host": said.host, "binary": _BINARY}
        if word == "force-down":
            return {"service": {**shown, "forced_down": said.forced_down}}
        reason = {"disabled_reason": said.reason} if word == "disable-log-reason" else {}
        return {"service": {**shown, "status": status, **reason}}

    @api.get("/os-availability-zone")
    def zones() -> dict[str, Any]:
        return {"availabilityZoneInfo": [_zone(None)]}

    @api.get("/os-availability-zone/detail")
    def zones_in_detail() -> dict[str, Any]:
        asking.require("os-availability-zone:detail", "admin")
        alive = _alive(shelves)
        hosts = {
            host: {
                _BINARY: {"active": True, "available": host in alive, "updated_at": now().removesuffix("Z") + ".000000"}
            }
            for host in shelves.reach.compute_hosts()
        }
        return {"availabilityZoneInfo": [_zone(hosts)]}

    return api


def _zone(hosts: dict[str, Any] | None) -> dict[str, Any]:
    return {"zoneName": ZONE, "zoneState": {"available": True}, "hosts": hosts}


def up(shelves: Shelves) -> set[str]:
    """Name the hosts that are alive, and that no administrator has called dead."""
    return {host for host in _alive(shelves) if not ((said := shelves.services.get(host)) and said.forced_down)}


def _alive(shelves: Shelves) -> set[str]:
    with shelves.reach.agents() as agents:
        return set(agents.alive())


def _change(
    shelves: Shelves, host: str, status: str | None, reason: str | None, forced_down: bool | None
) -> ServiceRecord:
    if host not in shelves.reach.compute_hosts():
        raise not_found(f"Service {host} could not be found.")
    said = shelves.services.get(host) or ServiceRecord(host=host)
    changes: dict[str, Any] = {"updated": now()}
    if status:
        changes |= {"enabled": status == "enabled", "reason": reason if status == "disabled" else None}
    if forced_down is not None:
        changes["forced_down"] = forced_down
    said = said.model_copy(update=changes)
    shelves.services.put(host, said)
    return said


def _shown(shelves: Shelves, host: str, working: set[str]) -> dict[str, Any]:
    said = shelves.services.get(host) or ServiceRecord(host=host)
    number = shelves.reach.compute_hosts().index(host) + 1
    forced = {"forced_down": said.forced_down} if asking.since(11) else {}
    return {
        "id": identity(host) if asking.since(53) else number,
        "binary": _BINARY,
        "host": host,
        "zone": ZONE,
        "status": "enabled" if said.enabled else "disabled",
        "disabled_reason": said.reason,
        "state": "up" if host in working else "down",
        "updated_at": now().removesuffix("Z") + ".000000",
        **forced,
    }
