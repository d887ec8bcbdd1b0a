"""How a server looks, in each microversion (nova.api.openstack.compute.views.servers)."""

from __future__ import annotations

import hashlib
from typing import Any

from fakevm.compute.model.flavor import FLAVORS
from fakevm.compute.model.server import ServerRecord
from fakevm.compute.web import asking
from fakevm.compute.work.addresses import Seen

from .flavors import embedded

# Of these there is progress to be told.
_IN_PROGRESS = ("ACTIVE", "BUILD", "REBUILD", "RESIZE", "VERIFY_RESIZE", "MIGRATING")
# What was an extension, and so is not in the answer to a change before 2.75.
_EXTENSIONS = (
    "OS-EXT-",
    "OS-SRV-USG",
    "os-extended-volumes",
    "config_drive",
    "host_status",
    "key_name",
    "security_groups",
)


def brief(server: ServerRecord) -> dict[str, Any]:
    """Give it as a list without details does."""
    return {"id": server.id, "name": server.name, "links": asking.links("servers", server.id)}


def whole(server: ServerRecord, seen: Seen, *, with_groups: bool = True) -> dict[str, Any]:
    """Give all of it."""
    shown: dict[str, Any] = {
        **brief(server),
        "status": server.status,
        "tenant_id": server.project_id,
        "user_id": server.user_id,
        "metadata": server.metadata,
        "hostId": host_id(server),
        "image": {
            "id": server.image,
            "links": [{"rel": "bookmark", "href": f"{asking.bookmark()}/images/{server.image}"}],
        }
        if server.image
        else "",
        "flavor": _flavor(server),
        "created": server.created,
        "updated": server.updated,
        "addresses": seen.addresses,
        "accessIPv4": server.access_ipv4,
        "accessIPv6": server.access_ipv6,
        "OS-DCF:diskConfig": "MANUAL",
        "config_drive": "True" if server.config_drive else "",
        "key_name": server.key_name,
        "OS-EXT-AZ:availability_zone": server.zone,
        "OS-SRV-USG:launched_at": server.launched_at.removesuffix("Z") + ".000000" if server.launched_at else None,
        "OS-SRV-USG:terminated_at": None,
        "OS-EXT-STS:task_state": server.task_state,
        "OS-EXT-STS:vm_state": server.vm_state,
        "OS-EXT-STS:power_state": server.power_state,
        "os-extended-volumes:volumes_attached": [],
    }
    if server.status in _IN_PROGRESS:
        shown["progress"] = 0 if server.status == "BUILD" else 100
    if server.fault and server.vm_state == "error":
        shown["fault"] = _fault(server)
    names = seen.security_groups or (server.security_groups if server.vm_state == "building" else ())
    if names:
        shown["security_groups"] = [{"name": name} for name in names]
    if asking.requester().is_admin:
        shown |= _for_administrators(server)
    return shown | _since(server, with_groups)


def changed(server: ServerRecord, seen: Seen, *, rebuilt: bool = False) -> dict[str, Any]:
    """Give it as the answer to a change does: before 2.75 without what came as extensions."""
    shown = whole(server, seen)
    if rebuilt and asking.since(57):
        shown.pop("OS-EXT-SRV-ATTR:user_data", None)
        shown["user_data"] = server.user_data
    if asking.since(75):
        return shown
    named = {"key_name": server.key_name} if rebuilt and asking.since(54) else {}
    kept = {name: value for name, value in shown.items() if not name.startswith(_EXTENSIONS)}
    addresses = {
        name: [{"version": row["version"], "addr": row["addr"]} for row in rows]
        for name, rows in seen.addresses.items()
    }
    return {**kept, "addresses": addresses, **named}


def _since(server: ServerRecord, with_groups: bool) -> dict[str, Any]:
    """Give what came with later microversions."""
    found: dict[str, Any] = {}
    if asking.since(9):
        found["locked"] = server.locked is not None
    if asking.since(16) and asking.requester().is_admin:
        found["host_status"] = "UP" if server.host else ""
    if asking.since(19):
        found["description"] = server.description
    if asking.since(26):
        found["tags"] = list(server.tags)
    if asking.since(63):
        found["trusted_image_certificates"] = None
    if asking.since(71) and with_groups:
        found["server_groups"] = [server.group] if server.group else []
    if asking.since(73):
        found["locked_reason"] = server.locked or None
    if asking.since(90):
        found["OS-EXT-SRV-ATTR:hostname"] = server.hostname
    if asking.since(96):
        found["pinned_availability_zone"] = None
    return found


def _for_administrators(server: ServerRecord) -> dict[str, Any]:
    found: dict[str, Any] = {
        "OS-EXT-SRV-ATTR:host": server.host or None,
        "OS-EXT-SRV-ATTR:hypervisor_hostname": server.host or None,
        "OS-EXT-SRV-ATTR:instance_name": f"instance-{server.id[:8]}",
    }
    if asking.since(3):
        found |= {
            "OS-EXT-SRV-ATTR:reservation_id": server.reservation_id,
            "OS-EXT-SRV-ATTR:launch_index": server.launch_index,
            "OS-EXT-SRV-ATTR:hostname": server.hostname,
            "OS-EXT-SRV-ATTR:kernel_id": "",
            "OS-EXT-SRV-ATTR:ramdisk_id": "",
            "OS-EXT-SRV-ATTR:root_device_name": "/dev/vda",
            "OS-EXT-SRV-ATTR:user_data": server.user_data,
        }
    return found


def _flavor(server: ServerRecord) -> dict[str, Any]:
    if asking.since(47):
        return embedded(FLAVORS[server.flavor])
    href = f"{asking.bookmark()}/flavors/{server.flavor}"
    return {"id": server.flavor, "links": [{"rel": "bookmark", "href": href}]}


def _fault(server: ServerRecord) -> dict[str, Any]:
    assert server.fault is not None
    shown = {"code": server.fault.code, "message": server.fault.message, "created": server.fault.created}
    if asking.requester().is_admin:
        shown["details"] = server.fault.details
    return shown


def host_id(server: ServerRecord) -> str:
    """Name a server's host to those who must not know which it is."""
    return hashlib.sha224(f"{server.project_id}{server.host}".encode()).hexdigest() if server.host else ""
