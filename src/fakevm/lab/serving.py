"""Whether a host's DHCP and L3 agents have made what Neutron gave them to serve, and the switch has wired it.

An agent is alive long before that: one that has just come reports itself, then makes one router after the other.
"""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress

from fakevm.errors import CommandFailed, FakevmError
from fakevm.linux import process
from fakevm.model.lab import LabRecord

from . import readiness, sandbox
from .progress import Progress

_PAUSE = 1.0
# Neutron cuts a port's id so in the names of devices (neutron_lib.constants.DEVICE_NAME_MAX_LEN), after qr-, qg-, tap…
_ID_LENGTH = 11
# A port in this network (local VLAN) of br-int is one that the agent has not wired.
_DEAD_VLAN = 4095
# A DHCP port that waits for another agent is still bound where it was.
_RESERVED = "reserved_dhcp_port"
_DISTRIBUTED = "network:router_interface_distributed"


def wait(
    record: LabRecord, host: str, progress: Progress, timeout: float, require: Callable[[], None] = lambda: None
) -> None:
    """Wait until a host serves; after ``timeout`` seconds say what it does not, and go on.

    ``require`` is called all the while, and may raise to give up.
    """
    deadline = time.monotonic() + timeout
    while missing := unserved(record, host, progress):
        require()
        if time.monotonic() > deadline:
            progress.note(f"{host} does not serve all yet after {timeout:.0f} s: {missing}")
            return
        time.sleep(_PAUSE)


def unserved(record: LabRecord, host: str, progress: Progress) -> str:
    """Say what a host is to serve and does not, and why that is not known; empty when it serves all."""
    try:
        wanted = dict(_wanted(record, host))
        missing = unwired(wanted, _devices(record, host)) if wanted else []
    except (OSError, http.client.HTTPException, FakevmError, ValueError) as exc:
        return " ".join(str(exc).split())
    progress.seen(f"{len(wanted) - len(missing)} of {len(wanted)} ports of routers and DHCP servers")
    return ", ".join(missing)


def _wanted(record: LabRecord, host: str) -> Iterator[tuple[str, str]]:
    """Give the ids of the ports that a host's agents are to have, each with words for it."""
    for agent in readiness.agents(record):
        if agent["host"] != host or not agent["alive"]:
            continue
        if agent["binary"] == "neutron-dhcp-agent":
            path = f"/v2.0/ports?device_owner=network:dhcp&binding:host_id={host}"
            for port in readiness.get(record, path)["ports"]:
                if port["device_id"] != _RESERVED:
                    yield str(port["id"]), f"DHCP port {port['id']}"
        if agent["binary"] == "neutron-l3-agent":
            routers = readiness.get(record, f"/v2.0/agents/{agent['id']}/l3-routers")["routers"]
            yield from _router_ports(
                record, host, [str(router["id"]) for router in routers if router["admin_state_up"]]
            )


def _router_ports(record: LabRecord, host: str, routers: Iterable[str]) -> Iterator[tuple[str, str]]:
    for router in routers:
        for port in readiness.get(record, f"/v2.0/ports?device_id={router}")["ports"]:
            if port["binding:host_id"] == host or port["device_owner"] == _DISTRIBUTED:
                yield str(port["id"]), f"port {port['id']} ({port['device_owner']}) of router {router}"


def _devices(record: LabRecord, host: str) -> set[str]:
    """Name the devices that are in a host's switch, and of a network there."""
    enter = sandbox.enter_host(record, host)
    with suppress(CommandFailed):
        listed = json.loads(
            process.run([*enter, "ovs-vsctl", "--timeout=10", "--format=json", "--columns=name,tag", "list", "Port"])
        )
        # Neutron's own agent gives each port the tag of its network; what others do is theirs: where flows say it all,
        # a port keeps the dead tag that the DHCP and L3 agents give it.
        tagged = record.backend == "ovs"
        return {str(n) for n, tag in listed["data"] if not tagged or (isinstance(tag, int) and tag != _DEAD_VLAN)}
    # No Open vSwitch: then Linux bridges.
    links = json.loads(process.run([*enter, "ip", "-json", "link", "show"]))
    return {str(link["ifname"]) for link in links if "master" in link}


def unwired(wanted: Mapping[str, str], devices: Iterable[str]) -> list[str]:
    """Give the words for those ports, by id, that no device is of."""
    there = {device[-_ID_LENGTH:] for device in devices}
    return [what for port, what in wanted.items() if port[:_ID_LENGTH] not in there]
