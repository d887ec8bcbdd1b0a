"""Moving a fake VM to another host: unplug there, bind anew, plug here."""

from __future__ import annotations

import functools

from fakevm.control.agents import Agents
from fakevm.control.binding import bind
from fakevm.control.neutron import Neutron, Resource
from fakevm.control.progress import Say, Stopwatch, silent
from fakevm.control.wiring import WiredPort, Wiring, Wish
from fakevm.errors import Conflict, InvalidInput


def migrate(neutron: Neutron, agents: Agents, vif: str, *, source: str, wish: Wish, say: Say = silent) -> WiredPort:
    """Move a port from ``source`` to the host of ``wish``; upon failure it is put back where it was.

    Raises InvalidInput, NotFound, Ambiguous, AgentDown, Conflict when it is not at the source, and what wiring raises.
    """
    agents.prepare()
    if source == wish.host:
        raise InvalidInput(f"source and destination are the same host: {source}", hint="Name another host to move to.")
    port = neutron.find_port(vif)
    agents.require(source, wish.host)
    if agents.show(source, port["id"]) is None:
        raise Conflict(
            f"port {port['id']} is not plugged on {source}; Neutron has it bound to "
            f"{port['binding:host_id'] or 'no host'}",
            hint=f"Look where it is: fakevm show {port['id']}",
        )
    network = neutron.network(port["network_id"])
    wiring = Wiring(neutron, agents, network, neutron.subnets(network["id"]), say=say)
    return wiring.job.run(functools.partial(_move, wiring, port, source, wish))


def _move(wiring: Wiring, port: Resource, source: str, wish: Wish) -> WiredPort:
    stopwatch = Stopwatch()
    with wiring.job.step():
        put_back = functools.partial(_put_back, wiring, port["id"], source, wish)
        wiring.job.undo.add(f"put {port['id']} back on {source}", put_back)
        wiring.say(f"unplugging on {source}")
        with stopwatch.step("unplug"):
            wiring.agents.unplug(source, port["id"])
    return wiring.wire(port, wish, stopwatch)


def _put_back(wiring: Wiring, port_id: str, source: str, wish: Wish) -> None:
    """Bind and plug at the source again, and give the guest its addresses back."""
    bound = bind(wiring.neutron, wiring.neutron.port(port_id), source)
    back = Wiring(wiring.neutron, wiring.agents, wiring.network, wiring.subnets)
    back.wire(bound, Wish(source, wish.addressing, wish.wait, wish.timeout), Stopwatch())
