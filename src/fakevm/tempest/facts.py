"""Asks a lab for what Tempest must know of it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from fakevm.backend import base as backends
from fakevm.control import credentials
from fakevm.control.transport import Direct
from fakevm.errors import InvalidInput, LabFailed
from fakevm.lab import registry
from fakevm.lab.config import effective
from fakevm.model.lab import LabRecord
from fakevm.model.labfile import LabFile

from . import compute
from .configuration import Facts

_L3_AGENT = "L3 agent"
# What guests' names are in when nothing is said (neutron.conf.common).
_DEFAULT_DOMAIN = "openstacklocal"


def refuse(record: LabRecord, *, scenario: bool = False) -> None:
    """Raise InvalidInput when Tempest has no use for a lab, or its scenarios have none."""
    if not record.neutron:
        raise InvalidInput(f"lab {record.name!r} has no Neutron to be tested (neutron: false)", hint="fakevm lab up")
    if record.auth != "keystone":
        raise InvalidInput(
            f"lab {record.name!r} has no Keystone (auth: {record.auth}): Tempest's tests make projects and users there",
            hint="In its lab file: auth: keystone. For a lab of no file: fakevm lab up --auth keystone",
        )
    if scenario:
        compute.refuse_without(record)


def of(record: LabRecord) -> Facts:
    """Find it out. Raises what Neutron's API and the lab's files do."""
    lab = registry.lab_file(record)
    plugin = backends.load(record.backend)
    ml2 = _options(record, lab, "ml2")
    agents = _asked(record, "agents")
    return Facts(
        admin=credentials.settings(record),
        extensions=[extension["alias"] for extension in _asked(record, "extensions")],
        external=_external(record),
        types=[name for name in ml2.get("ml2.type_drivers", "").split(",") if name],
        physical=_with_vlans(ml2.get("ml2_type_vlan.network_vlan_ranges", "")),
        zone=_only(agent["availability_zone"] for agent in agents if agent.get("availability_zone")),
        l3_mode=_only(_mode(agent) for agent in agents if agent["agent_type"] == _L3_AGENT),
        firewall=_firewall(record, lab, plugin),
        domain=_domain(record, lab),
        nested_snat=plugin.routed_by_agents or ml2.get("ovn.ovn_router_indirect_snat", "").lower() == "true",
        igmp_snooping=ml2.get("ovs.igmp_snooping_enable", "").lower() == "true",
        server=compute.of(record),
    )


def _options(record: LabRecord, lab: LabFile, word: str, host: str = "") -> dict[str, str]:
    rows = effective.settings(record, effective.find(record, word, host), lab)
    return {f"{row.section}.{row.option}": row.value for row in rows}


def _domain(record: LabRecord, lab: LabFile) -> str:
    return _options(record, lab, "server").get("DEFAULT.dns_domain", _DEFAULT_DOMAIN).rstrip(".")


def _firewall(record: LabRecord, lab: LabFile, plugin: backends.Backend) -> str:
    """Name the driver of security groups, as the plugin does; empty where hosts have several."""
    computes = [lab.hosts[host.name] for host in record.hosts if "compute" in host.roles and host.name in lab.hosts]
    wanted = [host.firewall or lab.firewall for host in computes]
    return plugin.group_driver or _only(one if one in plugin.firewalls else plugin.firewalls[0] for one in wanted)


def _mode(agent: dict[str, Any]) -> str:
    return str(agent["configurations"].get("agent_mode", ""))


def _only(values: Iterable[str]) -> str:
    found = set(values)
    return found.pop() if len(found) == 1 else ""


def _with_vlans(ranges: str) -> list[str]:
    """Name the physical networks of which Neutron hands out VLANs: of NAME and NAME:FIRST:LAST, only the latter."""
    return list(dict.fromkeys(one.split(":")[0].strip() for one in ranges.split(",") if ":" in one))


def _external(record: LabRecord) -> tuple[str, str] | None:
    """Choose an external network: of several the first by name."""
    found = sorted((net["name"], net["id"]) for net in _asked(record, "networks", **{"router:external": True}))
    return (found[0][1], found[0][0]) if found else None


def _asked(record: LabRecord, kind: str, **query: Any) -> list[dict[str, Any]]:
    api = Direct(record.endpoint, credentials.headers(record))
    answer = api.request("GET", f"/{kind}", f"list its {kind}", query=query or None)
    try:
        found: list[dict[str, Any]] = json.loads(answer.content)[kind]
    except (ValueError, KeyError) as exc:
        raise LabFailed(
            f"Neutron of lab {record.name!r} did not list its {kind}: {answer.status} {answer.reason}"
        ) from exc
    return found
