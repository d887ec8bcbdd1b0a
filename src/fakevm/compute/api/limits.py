"""``/limits`` and quotas: there are none but what the machine bears."""

from __future__ import annotations

from typing import Any

import flask

from fakevm.compute.model.flavor import FLAVORS
from fakevm.compute.shelves import Shelves
from fakevm.compute.web import asking

_UNLIMITED = -1
_QUOTAS = ("instances", "cores", "ram", "key_pairs", "metadata_items", "server_groups", "server_group_members")


def make(shelves: Shelves) -> flask.Blueprint:
    """Make the requests."""
    api = flask.Blueprint("limits", __name__, url_prefix="/compute/v2.1")

    @api.get("/limits")
    def limits() -> dict[str, Any]:
        asker = asking.requester()
        own = [server for server in shelves.servers.all() if server.project_id == asker.project_id]
        flavors = [FLAVORS[server.flavor] for server in own]
        groups = [group for group in shelves.groups.all() if group.project_id == asker.project_id]
        absolute = {
            "maxTotalInstances": _UNLIMITED,
            "maxTotalCores": _UNLIMITED,
            "maxTotalRAMSize": _UNLIMITED,
            "maxTotalKeypairs": _UNLIMITED,
            "maxServerMeta": _UNLIMITED,
            "maxServerGroups": _UNLIMITED,
            "maxServerGroupMembers": _UNLIMITED,
            "totalInstancesUsed": len(own),
            "totalCoresUsed": sum(flavor.vcpus for flavor in flavors),
            "totalRAMUsed": sum(flavor.ram for flavor in flavors),
            "totalServerGroupsUsed": len(groups),
        }
        if not asking.since(36):
            absolute |= dict.fromkeys(("maxSecurityGroups", "maxSecurityGroupRules", "maxTotalFloatingIps"), _UNLIMITED)
            absolute |= {"totalSecurityGroupsUsed": 0, "totalFloatingIpsUsed": 0}
        if not asking.since(39):
            absolute["maxImageMeta"] = _UNLIMITED
        if not asking.since(57):
            absolute |= dict.fromkeys(("maxPersonality", "maxPersonalitySize"), _UNLIMITED)
        return {"limits": {"absolute": absolute, "rate": []}}

    @api.get("/os-quota-sets/<project_id>")
    @api.get("/os-quota-sets/<project_id>/defaults")
    def quotas(project_id: str) -> dict[str, Any]:
        return {"quota_set": {"id": project_id, **dict.fromkeys(_QUOTAS, _UNLIMITED)}}

    return api
