"""DHCP servers that know the routers: what a guest hears with its lease stays with it.

A DHCP agent with a metadata agent beside it sends guests of an isolated network to itself for 169.254.169.254, and ends
that service when the network gets a router at its gateway (neutron 29.0.0, Dnsmasq._generate_opts_per_subnet,
DhcpAgent.port_create_end). It hears of the router some time after the API has answered. A guest that got its lease in
between asks one that is no longer there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from fakevm.control.neutron import Neutron
from fakevm.errors import CommandFailed, LabFailed
from fakevm.lab import fault, sandbox
from fakevm.lab.config.option import is_true
from fakevm.linux import process, supervision
from fakevm.model import config
from fakevm.model.lab import LabRecord
from fakevm.model.labfile import LabFile
from fakevm.model.resource import Ref
from fakevm.waiting import remains

_DHCP_AGENT = "neutron-dhcp-agent"
_AGENTS = {_DHCP_AGENT, "neutron-metadata-agent"}
# dnsmasq's options of each network, below Neutron's state_path; the tag names the subnet (Dnsmasq._SUBNET_TAG_PREFIX).
_LIST = "cat /run/neutron/dhcp/*/opts 2>/dev/null; true"
_WAY = re.compile(r"tag:subnet-(?P<subnet>[0-9a-f-]+),.*169\.254\.169\.254/32,(?P<by>[0-9.]+)")


def wait(record: LabRecord, neutron: Neutron, lab: LabFile, ids: Mapping[Ref, str], timeout: float) -> str:
    """Wait until DHCP servers send guests to their router for metadata, where there is one; say what does not.

    ``ids`` are those of the file's subnets, ``timeout`` is in seconds.
    """
    # Who was stopped or is cut off hears of nothing.
    hosts = [host for host in waited_for(record, lab) if not _is_held(record, host)]
    # A leg with an address of its own is not at the gateway.
    legs = [leg for router in lab.routers.values() for leg in router.interfaces if not leg.address]
    routed = [ids[Ref("subnet", leg.subnet)] for leg in legs]
    away = fault.away(record) if hosts and routed else {}
    hosts = [host for host in hosts if host not in away]
    if not hosts or not routed:
        return ""
    subnets = neutron.collection("/subnets", "look at the routers' subnets", id=routed)
    gateways = {str(subnet["id"]): str(subnet["gateway_ip"]) for subnet in subnets}
    left = remains(lambda: ", ".join(host for host in hosts if _is_behind(record, host, gateways)), timeout)
    return f"the DHCP server on {left} does not know all routers yet: its guests may not get metadata" if left else ""


def waited_for(record: LabRecord, lab: LabFile) -> list[str]:
    """Name the hosts whose DHCP servers send guests to a router, if there is one, and else to themselves."""
    return [host.name for host in record.hosts if {*host.agents} >= _AGENTS and not _keeps_all(lab, host.name)]


def _is_held(record: LabRecord, host: str) -> bool:
    return supervision.is_held(record.host_directory(host) / "service", _DHCP_AGENT)


def _keeps_all(lab: LabFile, host: str) -> bool:
    """Tell whether the file has a host's DHCP agent send all guests to itself, whatever routers there are."""
    own = lab.hosts[host].config if host in lab.hosts else {}
    given = [said.get(config.word(_DHCP_AGENT), {}).get("DEFAULT", {}) for said in (own, lab.config)]
    return is_true(next((options["force_metadata"] for options in given if "force_metadata" in options), False))


def elsewhere(options: str, gateways: Mapping[str, str]) -> set[str]:
    """Give the subnets, by their ids, whose guests are sent elsewhere than to their gateway.

    ``options`` are dnsmasq's, ``gateways`` addresses by the ids of subnets.
    """
    ways = _WAY.finditer(options)
    return {way["subnet"] for way in ways if gateways.get(way["subnet"], way["by"]) != way["by"]}


def _is_behind(record: LabRecord, host: str, gateways: Mapping[str, str]) -> bool:
    """Tell whether a server that is there lacks a router; one that comes later knows them all at once."""
    try:
        options = process.run([*sandbox.enter_host(record, host), "sh", "-c", _LIST])
    except (CommandFailed, LabFailed):  # the host was killed: that is told by others
        return False
    return bool(elsewhere(options, gateways))
