"""Making fake VMs: Nova's boot sequence, for one or for many at once."""

from __future__ import annotations

import functools
import itertools
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from fakevm.control.agents import Agents
from fakevm.control.expectation import Events
from fakevm.control.guests import Guests
from fakevm.control.job import Job, all_in_background, in_background
from fakevm.control.known import words
from fakevm.control.lookout import Lookout
from fakevm.control.neutron import Neutron, Resource
from fakevm.control.stopwatch import Stopwatch
from fakevm.control.wiring import WiredPort, Wiring, Wish
from fakevm.errors import NotFound
from fakevm.model.identity import is_uuid
from fakevm.model.series import ordered
from fakevm.progress import SILENT, Progress, Tally

# Ports that are made at once: more would only wait for one another in Neutron's few processes.
AT_ONCE = 50
# Ports that one request asks for. Among a hundred busy hosts Neutron took over two minutes for fifty (2026-12).
IN_A_REQUEST = 10


@dataclass(frozen=True)
class Order:
    """What ports to create. ``fixed_ips`` are as Neutron's API takes them.

    ``project`` is whose they are to be; empty: who asks, or whose the network is.
    """

    network: str
    instance: str
    count: int = 1
    name: str = ""
    security_groups: tuple[str, ...] | None = None
    fixed_ips: tuple[dict[str, str], ...] = ()
    project: str = ""


def create_ports(
    neutron: Neutron,
    agents: Agents,
    order: Order,
    wishes: Sequence[Wish],
    *,
    progress: Progress = SILENT,
    events: Events | None = None,
) -> list[WiredPort]:
    """Create ports, bind and plug them and give them addresses; all, or none are left.

    A guest that is there gets one more interface. The ``wishes``, one for each host, take turns. Raises InvalidInput,
    NotFound, Ambiguous, AgentDown, Refused, BindingFailed, PlugFailed, TimedOut; Conflict when the guest is on another
    host.
    """
    progress.seen("looking up the network and the host")
    has_ports = in_background(lambda: bool(neutron.ports_of(*instances(order))))
    # The broker's library takes a processor for a third of a second: better now than while Neutron works for us.
    agents.prepare()
    hosts = in_background(lambda: agents.require(*(wish.host for wish in wishes)))
    network = neutron.find_network(order.network)
    hosts.result()
    wiring = Wiring(
        neutron,
        agents,
        network,
        neutron.subnets(network["id"]),
        progress=progress if order.count == 1 else SILENT,
        events=events,
        job=Job(Lookout(neutron, agents), progress),
    )
    bodies = port_bodies(wiring, order)
    for body in bodies:
        wiring.require_event(body, wishes[0])
    for wish in wishes:
        wiring.require_nic(wish)
    tally = Tally(progress, order.count, "ports are there")
    hosts_of = {body["device_id"]: wish.host for body, wish in zip(bodies, itertools.cycle(wishes), strict=False)}

    def work() -> list[WiredPort]:
        # While Neutron creates the ports: of a guest that it knows none is made before it is sure to be had.
        alone = in_background(lambda: _claim(wiring, hosts_of, wishes[0].timeout))
        if has_ports.result():
            alone.result()
        return all_in_background(_works(wiring, bodies, itertools.cycle(wishes), tally, alone), AT_ONCE)

    return wiring.job.run(work)


def emptiest(neutron: Neutron, hosts: Sequence[str]) -> list[str]:
    """Sort hosts by the guests that are bound to them, few first, as Nova would choose.

    Raises NotFound: there is no host.
    """
    if not hosts:
        raise NotFound("no host for guests is alive", hint="`fakevm lab status` shows why.")
    bound = Counter(port["binding:host_id"] for port in neutron.ports(fields=("id", "binding:host_id")))
    return sorted(ordered(hosts), key=lambda host: bound[host])


def _claim(wiring: Wiring, hosts_of: Mapping[str, str], patience: float) -> None:
    """Have the guests alone, and make sure that none of them is on another host than it is to be on."""
    claimed = wiring.agents.claimed(
        (), "the creation of an interface", guests=hosts_of, patience=patience, progress=wiring.progress
    )
    wiring.job.claims.enter_context(claimed)
    Guests(wiring.neutron, wiring.agents).refuse_elsewhere(hosts_of)


def _works(
    wiring: Wiring, bodies: Sequence[dict[str, Any]], wishes: Iterator[Wish], tally: Tally, alone: Future[None]
) -> Iterator[Callable[[], WiredPort]]:
    """Create ports in Neutron, some at a time, and give for each what is left to do, once we are ``alone``."""
    for at in range(0, len(bodies), IN_A_REQUEST):
        piece = bodies[at : at + IN_A_REQUEST]
        stopwatches = [Stopwatch() for _ in piece]
        ports = _created(wiring, piece)
        for stopwatch in stopwatches:
            stopwatch.seconds["create"] = stopwatch.total
        alone.result()
        for port, stopwatch in zip(ports, stopwatches, strict=True):
            yield functools.partial(_wire, wiring, port, next(wishes), stopwatch, tally)


def _created(wiring: Wiring, bodies: Sequence[dict[str, Any]]) -> list[Resource]:
    with wiring.job.step():
        wiring.progress.seen("creating in Neutron")
        ports = wiring.neutron.create_ports(bodies)
        for port in ports:
            delete = functools.partial(wiring.neutron.delete_port, port["id"])
            wiring.job.undo.add(f"deleted {words(port['id'])}", delete, thing=port["id"])
        claimed = wiring.agents.claimed([port["id"] for port in ports], "its creation")
        wiring.job.claims.enter_context(claimed)
    return ports


def _wire(wiring: Wiring, port: Resource, wish: Wish, stopwatch: Stopwatch, tally: Tally) -> WiredPort:
    wired = wiring.wire(port, wish, stopwatch)
    tally.count()
    return wired


def port_bodies(wiring: Wiring, order: Order) -> list[dict[str, Any]]:
    """Make what is sent to Neutron for each port, as Nova sends it: not bound yet, nor owned."""
    body = _body(wiring.network, order)
    if order.project or wiring.neutron.without_keystone:
        # Without Keystone a request has no project of its own.
        body["project_id"] = order.project or wiring.network["project_id"]
    if order.count == 1:
        return [body | {"device_id": order.instance, "name": order.name}]
    return [
        body | {"device_id": instance, "name": f"{order.name}-{n}" if order.name else ""}
        for n, instance in enumerate(instances(order), start=1)
    ]


def instances(order: Order) -> list[str]:
    """Name the instances of the ports that are to be made."""
    if order.count == 1:
        return [order.instance]
    return [instance_of(order.instance, n) for n in range(1, order.count + 1)]


def instance_of(instance: str, number: int) -> str:
    """Name one of several instances: of a UUID another UUID is made, since Neutron tells Nova of no other instance."""
    return str(uuid.uuid5(uuid.UUID(instance), str(number))) if is_uuid(instance) else f"{instance}-{number}"


def _body(network: Resource, order: Order) -> dict[str, Any]:
    body: dict[str, Any] = {"network_id": network["id"], "admin_state_up": True}
    if order.security_groups is not None:
        body["security_groups"] = list(order.security_groups)
    if order.fixed_ips:
        body["fixed_ips"] = list(order.fixed_ips)
    return body
