"""``/os-hypervisors``: the hosts that servers are for, as an administrator sees them."""

from __future__ import annotations

import uuid
from typing import Any

import flask

from fakevm.compute.shelves import Shelves
from fakevm.compute.web import asking
from fakevm.compute.web.faults import not_found

# What is said of every host: a guest has what its machine has, and nobody counts it.
_VCPUS, _MEMORY, _DISK = 64, 65_536, 1_000


def make(shelves: Shelves) -> flask.Blueprint:
    """Make the requests."""
    api = flask.Blueprint("hypervisors", __name__, url_prefix="/compute/v2.1")

    @api.get("/os-hypervisors")
    def names() -> dict[str, Any]:
        asking.require("os-hypervisors:list", "admin")
        return {"hypervisors": [_brief(shelves, host) for host in _page(shelves)]}

    @api.get("/os-hypervisors/detail")
    def details() -> dict[str, Any]:
        asking.require("os-hypervisors:list-detail", "admin")
        alive = _alive(shelves)
        return {"hypervisors": [_whole(shelves, host, alive) for host in _page(shelves)]}

    @api.get("/os-hypervisors/<hypervisor_id>")
    def show(hypervisor_id: str) -> dict[str, Any]:
        asking.require("os-hypervisors:show", "admin")
        if hypervisor_id == "statistics":
            return {"hypervisor_statistics": _statistics(shelves)}
        for host in shelves.reach.compute_hosts():
            if hypervisor_id in (str(_id(shelves, host)), identity(host)):
                return {"hypervisor": _whole(shelves, host, _alive(shelves))}
        raise not_found(f"Hypervisor with ID '{hypervisor_id}' could not be found.")

    @api.get("/os-hypervisors/<word>/servers")
    def servers(word: str) -> dict[str, Any]:
        asking.require("os-hypervisors:servers", "admin")
        found = [host for host in shelves.reach.compute_hosts() if word in host]
        if not found:
            raise not_found(f"No hypervisor matching '{word}' could be found.")
        return {"hypervisors": [{**_brief(shelves, host), "servers": _servers(shelves, host)} for host in found]}

    return api


def identity(host: str) -> str:
    """Give the id that a host has since 2.53."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"fakevm:host:{host}"))


def _id(shelves: Shelves, host: str) -> str | int:
    return identity(host) if asking.since(53) else shelves.reach.compute_hosts().index(host) + 1


def _page(shelves: Shelves) -> list[str]:
    found = shelves.reach.compute_hosts()
    if pattern := flask.request.args.get("hypervisor_hostname_pattern"):
        found = [host for host in found if pattern in host]
        if not found:
            raise not_found(f"No hypervisor matching '{pattern}' could be found.")
    if marker := flask.request.args.get("marker"):
        ids = [str(_id(shelves, host)) for host in found]
        found = found[ids.index(marker) + 1 :] if marker in ids else []
    return found[: asking.whole("limit", len(found))]


def _alive(shelves: Shelves) -> set[str]:
    with shelves.reach.agents() as agents:
        return set(agents.alive())


def _brief(shelves: Shelves, host: str) -> dict[str, Any]:
    said = shelves.services.get(host)
    shown: dict[str, Any] = {
        "id": _id(shelves, host),
        "hypervisor_hostname": host,
        "state": "up",
        "status": "enabled" if said is None or said.enabled else "disabled",
    }
    if asking.flag("with_servers") and asking.since(53):
        shown["servers"] = _servers(shelves, host)
    return shown


def _servers(shelves: Shelves, host: str) -> list[dict[str, str]]:
    return [{"name": server.name, "uuid": server.id} for server in shelves.servers.all() if server.host == host]


def _whole(shelves: Shelves, host: str, alive: set[str]) -> dict[str, Any]:
    said = shelves.services.get(host)
    here = next((h for h in shelves.reach.record().hosts if h.name == host), None)
    shown = {
        **_brief(shelves, host),
        "state": "up" if host in alive else "down",
        "hypervisor_type": "fakevm",
        "hypervisor_version": 1,
        "host_ip": here.management_address if here else "127.0.0.1",
        "service": {
            "id": _id(shelves, host),
            "host": host,
            "disabled_reason": said.reason if said else None,
        },
    }
    if asking.since(88):
        return {**shown, "uptime": None}
    number = len(_servers(shelves, host))
    shown |= _room(number)
    shown["cpu_info"] = {"arch": "x86_64"} if asking.since(28) else '{"arch": "x86_64"}'
    return shown


def _room(number: int) -> dict[str, int]:
    return {
        "vcpus": _VCPUS,
        "vcpus_used": number,
        "memory_mb": _MEMORY,
        "memory_mb_used": 512,
        "free_ram_mb": _MEMORY - 512,
        "local_gb": _DISK,
        "local_gb_used": 0,
        "free_disk_gb": _DISK,
        "disk_available_least": _DISK,
        "current_workload": 0,
        "running_vms": number,
    }


def _statistics(shelves: Shelves) -> dict[str, int]:
    hosts = shelves.reach.compute_hosts()
    rooms = [_room(len(_servers(shelves, host))) for host in hosts]
    return {"count": len(hosts), **{key: sum(room[key] for room in rooms) for key in _room(0)}}
