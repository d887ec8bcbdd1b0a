"""Making fake VMs: Nova's boot sequence, for one or for many at once."""

from __future__ import annotations

import functools
import uuid
from dataclasses import dataclass
from typing import Any

from fakevm.control.agents import Agents
from fakevm.control.events import Events
from fakevm.control.job import all_in_background, in_background
from fakevm.control.known import words
from fakevm.control.neutron import Neutron, Resource
from fakevm.control.progress import Say, Stopwatch, silent
from fakevm.control.wiring import WiredPort, Wiring, Wish
from fakevm.model.identity import is_uuid


@dataclass(frozen=True)
class Order:
    """What ports to create. ``fixed_ips`` are as Neutron's API takes them."""

    network: str
    instance: str
    count: int = 1
    name: str = ""
    security_groups: tuple[str, ...] | None = None
    fixed_ips: tuple[dict[str, str], ...] = ()


def create_ports(
    neutron: Neutron, agents: Agents, order: Order, wish: Wish, *, say: Say = silent, events: Events | None = None
) -> list[WiredPort]:
    """Create ports, bind and plug them and give them addresses; all, or none are left.

    Raises InvalidInput, NotFound, Ambiguous, AgentDown, Refused, BindingFailed, PlugFailed, TimedOut, FakevmError.
    """
    say("looking up the network and the host")
    # The broker's library takes a processor for a third of a second: better now than while Neutron works for us.
    agents.prepare()
    host = in_background(lambda: agents.require(wish.host))
    network = neutron.find_network(order.network)
    host.result()
    wiring = Wiring(neutron, agents, network, neutron.subnets(network["id"]), say=say, events=events)
    for body in port_bodies(wiring, order):
        wiring.require_event(body, wish)
    return wiring.job.run(functools.partial(_create, wiring, order, wish))


def _create(wiring: Wiring, order: Order, wish: Wish) -> list[WiredPort]:
    stopwatches = [Stopwatch() for _ in range(order.count)]
    with wiring.job.step():
        wiring.say("creating in Neutron")
        begin = Stopwatch()
        ports = wiring.neutron.create_ports(port_bodies(wiring, order))
        for port in ports:
            delete = functools.partial(wiring.neutron.delete_port, port["id"])
            wiring.job.undo.add(f"deleted {words(port['id'])}", delete)
        claimed = wiring.agents.claimed([port["id"] for port in ports], f"its creation on {wish.host}")
        wiring.job.claims.enter_context(claimed)
    for stopwatch in stopwatches:
        stopwatch.seconds["create"] = begin.total
    return all_in_background(
        [functools.partial(wiring.wire, port, wish, watch) for port, watch in zip(ports, stopwatches, strict=True)]
    )


def port_bodies(wiring: Wiring, order: Order) -> list[dict[str, Any]]:
    """Make what is sent to Neutron for each port, as Nova sends it: not bound yet, nor owned."""
    body = _body(wiring.network, order)
    if wiring.neutron.without_keystone:
        # Without Keystone a request has no project of its own.
        body["project_id"] = wiring.network["project_id"]
    if order.count == 1:
        return [body | {"device_id": order.instance, "name": order.name}]
    numbers = range(1, order.count + 1)
    return [
        body | {"device_id": instance_of(order.instance, n), "name": f"{order.name}-{n}" if order.name else ""}
        for n in numbers
    ]


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
