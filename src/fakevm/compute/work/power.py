"""Servers are stopped, started, rebooted, paused and made anew, as commands do it with guests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fakevm.compute.model.server import ServerRecord
from fakevm.compute.shelves import Shelves
from fakevm.control.agents import Agents
from fakevm.control.guests import Guests
from fakevm.control.neutron import Neutron
from fakevm.control.power import Power, Powered, Switch
from fakevm.errors import FakevmError, NotFound

from .building import PATIENCE, make_anew


def stop(shelves: Shelves) -> Callable[[Agents, ServerRecord], dict[str, Any]]:
    """Give what stops a server."""
    return lambda agents, server: switched(shelves.reach.neutron, agents, server, Switch.stop, "stopped")


def start(shelves: Shelves) -> Callable[[Agents, ServerRecord], dict[str, Any]]:
    """Give what starts a server."""
    return lambda agents, server: switched(shelves.reach.neutron, agents, server, Switch.start, "active")


def reboot(shelves: Shelves) -> Callable[[Agents, ServerRecord], dict[str, Any]]:
    """Give what reboots a server; one that was stopped, paused or suspended runs then."""

    def work(agents: Agents, server: ServerRecord) -> dict[str, Any]:
        if server.vm_state in ("paused", "suspended"):
            # One that sleeps is taken for one that moves, and left alone.
            woken = resume(agents, server)
            shelves.servers.change(server.id, lambda known: known.model_copy(update=woken))
        return switched(shelves.reach.neutron, agents, server, Switch.reboot, "active")

    return work


def pause(word: str) -> Callable[[Agents, ServerRecord], dict[str, Any]]:
    """Give what pauses a server, or suspends it: ``word`` is its state then. It sends nothing until it is resumed."""

    def work(agents: Agents, server: ServerRecord) -> dict[str, Any]:
        agents.on(server.host).pause(server.id)
        return {"vm_state": word}

    return work


def resume(agents: Agents, server: ServerRecord) -> dict[str, Any]:
    """Let a server go on."""
    agents.on(server.host).resume(server.id)
    return {"vm_state": "active"}


def rebuild(shelves: Shelves, changes: dict[str, Any]) -> Callable[[Agents, ServerRecord], dict[str, Any]]:
    """Give what makes a server's guest anew, with its ports; ``changes`` are of its record, its image say."""

    def work(agents: Agents, server: ServerRecord) -> dict[str, Any]:
        neutron, was_stopped = shelves.reach.neutron, server.vm_state == "stopped"
        fresh = server.model_copy(update=changes)
        shelves.servers.change(server.id, lambda known: known.model_copy(update=changes))
        devices = _devices(agents, server)
        agents.on(server.host).remove(server.id)
        make_anew(shelves, agents, fresh, devices)
        if was_stopped:
            switched(neutron, agents, server, Switch.stop, "stopped")
        return {**changes, "vm_state": "stopped" if was_stopped else "active", "fault": None}

    return work


def _devices(agents: Agents, server: ServerRecord) -> dict[str, str]:
    """Give the names of a server's interfaces by their ports; none of one that a failure has left without a guest."""
    try:
        seen = agents.on(server.host).show_guest(server.id)
    except NotFound:
        return {}
    return {interface.attached: interface.name for interface in seen.interfaces}


def switched(
    neutron: Neutron, agents: Agents, server: ServerRecord, do: Callable[[Switch], Powered], state: str
) -> dict[str, Any]:
    """Do something to a server's guest where it is; gives what ``state`` changes of its record. Raises as Power."""
    seen = Guests(neutron, agents).find(server.id, server.host)
    done = Power(neutron, agents, timeout=PATIENCE).each(do, {server.id: seen})[server.id]
    if isinstance(done, FakevmError):
        raise done
    return {"vm_state": state}
