"""Whether what a host's agents serve is wired: the ports of its DHCP servers, routers and guests.

An agent is alive long before that: one that has just come reports itself, then makes one router after the other. And it
is alive when what it made has gone.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import NamedTuple

from fakevm.agent.store import Store
from fakevm.backend import base as backends
from fakevm.errors import CommandFailed, FakevmError
from fakevm.linux import process
from fakevm.model.lab import LabRecord
from fakevm.progress import Progress
from fakevm.rpc.contract import AGENT_BINARY
from fakevm.waiting import remains

from . import readiness, sandbox

_PAUSE = 1.0
# Neutron cuts a port's id so in the names of devices (neutron_lib.constants.DEVICE_NAME_MAX_LEN), after qr-, qg-, tap…
_ID_LENGTH = 11
# A port in this network (local VLAN) of br-int is one that the agent has not wired.
_DEAD_VLAN = 4095
# A DHCP port that waits for another agent is still bound where it was.
_RESERVED = "reserved_dhcp_port"
_DISTRIBUTED = "network:router_interface_distributed"
_DHCP, _L3, _SWITCH = "neutron-dhcp-agent", "neutron-l3-agent", "ovs-vswitchd"
# Lists the devices in a host's namespaces; one with NO-CARRIER has no switch behind it.
_LIST = "for place in /run/netns/*; do ip -n ${place##*/} -brief link show; done 2>/dev/null; true"


class Duty(NamedTuple):
    """A port that is to be wired on a host, in words, and the program of the host that makes it."""

    port: str
    what: str
    program: str


def wait(
    record: LabRecord, host: str, progress: Progress, timeout: float, require: Callable[[], None] = lambda: None
) -> None:
    """Wait until a host serves; after ``timeout`` seconds say what it does not, and go on.

    ``require`` is called all the while, and may raise to give up.
    """
    missing = remains(lambda: unserved(record, host, progress), timeout, pause=_PAUSE, require=require)
    if missing:
        progress.note(f"{host} does not serve all yet after {timeout:.0f} s: {missing}")


def unserved(record: LabRecord, host: str, progress: Progress) -> str:
    """Say what a host is to serve and does not, and why that is not known; empty when it serves all."""
    try:
        duties = list(of_agents(record, host, readiness.agents(record, host=host)))
        missing = undone(record, host, duties)
    except (OSError, http.client.HTTPException, FakevmError, ValueError) as exc:
        return " ".join(str(exc).split())
    progress.seen(f"{len(duties) - len(missing)} of {len(duties)} ports of routers and DHCP servers")
    return ", ".join(duty.what for duty in missing)


def of_agents(record: LabRecord, host: str, agents: Iterable[Mapping[str, object]]) -> Iterator[Duty]:
    """Ask Neutron which ports a host's DHCP and L3 agents are to have, of those that are alive.

    Raises OSError, HTTPException: it does not say.
    """
    for agent in agents:
        if agent["host"] != host or not agent["alive"]:
            continue
        if agent["binary"] == _DHCP:
            path = f"/v2.0/ports?device_owner=network:dhcp&binding:host_id={host}"
            for port in readiness.get(record, path)["ports"]:
                if port["device_id"] != _RESERVED:
                    yield Duty(str(port["id"]), f"DHCP port {port['id']}", _DHCP)
        if agent["binary"] == _L3:
            routers = readiness.get(record, f"/v2.0/agents/{agent['id']}/l3-routers")["routers"]
            yield from _of_routers(record, host, [str(router["id"]) for router in routers if router["admin_state_up"]])


def _of_routers(record: LabRecord, host: str, routers: Iterable[str]) -> Iterator[Duty]:
    for router in routers:
        for port in readiness.get(record, f"/v2.0/ports?device_id={router}")["ports"]:
            if port["binding:host_id"] == host or port["device_owner"] == _DISTRIBUTED:
                what = f"port {port['id']} ({port['device_owner']}) of router {router}"
                yield Duty(str(port["id"]), what, _L3)


def of_guests(record: LabRecord, host: str) -> Iterator[Duty]:
    """Give the ports of the guests that are plugged on a host, and awake."""
    for seen in Store(record.host_directory(host) / "agent").all():
        if seen.state == "running" and not seen.asleep:
            for port in seen.ports:
                yield Duty(port.id, f"port {port.id} of guest {seen.guest.id}", AGENT_BINARY)


def undone(record: LabRecord, host: str, duties: Iterable[Duty]) -> list[Duty]:
    """Give those ports that are not wired on a host, which runs. Raises FakevmError, ValueError: it cannot be seen."""
    wanted = list(duties)
    if not wanted:
        return []
    missing = unwired(wanted, _devices(record, host))
    of_agents = [duty for duty in wanted if duty.program != AGENT_BINARY and duty not in missing]
    return [*missing, *(without_network(of_agents, _in_namespaces(record, host)) if of_agents else ())]


def _in_namespaces(record: LabRecord, host: str) -> str:
    return process.run([*sandbox.enter_host(record, host), "sh", "-c", _LIST])


def without_network(duties: Iterable[Duty], listed: str) -> list[Duty]:
    """Give those agents' duties whose devices are not in a namespace, or have no switch behind them.

    ``listed`` is what ``ip -brief link`` says there.
    """
    rows = [(line.split()[0].partition("@")[0][-_ID_LENGTH:], "NO-CARRIER" in line) for line in listed.splitlines()]
    there, lost = {name for name, _ in rows}, {name for name, dead in rows if dead}
    found = []
    for duty in duties:
        device = duty.port[:_ID_LENGTH]
        if device not in there:
            found.append(duty)
        elif device in lost:
            # Its agent takes such a device for its own. The switch's start removes it (ovs/scripts/lost-ports.sh).
            found.append(Duty(duty.port, f"{duty.what}, whose device has no switch any more", _SWITCH))
    return found


def _devices(record: LabRecord, host: str) -> set[str]:
    """Name the devices that are in a host's switch, and of a network there."""
    enter = sandbox.enter_host(record, host)
    with suppress(CommandFailed):
        listed = json.loads(
            process.run([*enter, "ovs-vsctl", "--timeout=10", "--format=json", "--columns=name,tag", "list", "Port"])
        )
        # Neutron's own agent gives each port the tag of its network; what others do is theirs: where flows say it all,
        # a port keeps the dead tag that the DHCP and L3 agents give it.
        tagged = backends.load(record.backend).tags_ports
        return {str(n) for n, tag in listed["data"] if not tagged or (isinstance(tag, int) and tag != _DEAD_VLAN)}
    # No Open vSwitch: then Linux bridges.
    links = json.loads(process.run([*enter, "ip", "-json", "link", "show"]))
    return {str(link["ifname"]) for link in links if "master" in link}


def unwired(duties: Iterable[Duty], devices: Iterable[str]) -> list[Duty]:
    """Give those of the duties that no device is of."""
    there = {device[-_ID_LENGTH:] for device in devices}
    return [duty for duty in duties if duty.port[:_ID_LENGTH] not in there]
