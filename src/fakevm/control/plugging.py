"""Plugging a port that exists."""

from __future__ import annotations

import functools
from typing import Any

from fakevm.control.agents import Agents
from fakevm.control.binding import is_bound
from fakevm.control.expectation import Events
from fakevm.control.guests import Guests
from fakevm.control.job import in_background
from fakevm.control.known import words
from fakevm.control.lookout import Lookout
from fakevm.control.lookup import only
from fakevm.control.neutron import Neutron, Resource
from fakevm.control.stopwatch import Stopwatch
from fakevm.control.whereabouts import Whereabouts
from fakevm.control.wiring import WiredPort, Wiring, Wish
from fakevm.errors import AgentDown, Conflict
from fakevm.progress import SILENT, Progress


class Plugging:
    """Plugs ports of Neutron's on hosts."""

    def __init__(
        self, neutron: Neutron, agents: Agents, progress: Progress = SILENT, events: Events | None = None
    ) -> None:
        self._neutron = neutron
        self._agents = agents
        self._progress = progress
        self._events = events
        self._whereabouts = Whereabouts(neutron, agents)

    def plug(self, vif: str, wish: Wish) -> WiredPort:
        """Plug a port that exists, binding it there if it is bound nowhere; no change when that is so already.

        The guest of its instance, if it is there, gets an interface; else it is made. Raises NotFound, Ambiguous,
        Conflict when it or its guest is on another host or another command works on it, and what wiring raises.
        """
        found = only(vif, self._neutron.find_guest(vif))
        guest = found.instance or found.port_id
        self._agents.require(wish.host)
        lookout = Lookout(self._neutron, self._agents)
        lookout.exists(found.port_id)
        claimed = self._agents.claimed(
            [found.port_id],
            f"plugging it on {wish.host}",
            guests=[guest],
            patience=wish.timeout,
            progress=self._progress,
        )
        with lookout.explained(), claimed:
            elsewhere = in_background(lambda: Guests(self._neutron, self._agents).refuse_elsewhere({guest: wish.host}))
            self._refuse_elsewhere(port := self._neutron.port(found.port_id), wish.host)
            elsewhere.result()
            return self._plug(port, wish)

    def _plug(self, port: Resource, wish: Wish) -> WiredPort:
        if self._agents.show(wish.host, port["id"]) is None and is_bound(port, wish.host):
            self._progress.seen(f"{words(port['id'])} is bound to {wish.host}, but not plugged there")
        network = self._neutron.network(port["network_id"])
        subnets = self._neutron.subnets(network["id"])
        wiring = Wiring(self._neutron, self._agents, network, subnets, progress=self._progress, events=self._events)
        wiring.require_nic(wish)
        return wiring.job.run(functools.partial(wiring.wire, port, wish, Stopwatch()))

    def _refuse_elsewhere(self, port: Resource, host: str) -> None:
        """Raise Conflict when the port is plugged on another host, AgentDown when that cannot be known."""
        found = self._whereabouts.where(port["id"])
        elsewhere = [name for name in found.vifs if name != host]
        if elsewhere:
            raise Conflict(
                f"{words(port['id'])} is plugged on {', '.join(elsewhere)}",
                hint=f"Unplug it there first, or move it: fakevm migrate {host} {port['id']} --host {elsewhere[0]}",
            )
        bound = port["binding:host_id"]
        if bound in found.unasked:
            raise found.unasked[bound]
        agent: dict[str, Any] | None = self._agents.known().get(bound) if bound != host else None
        if agent and not agent["alive"]:
            raise AgentDown(
                f"{words(port['id'])} is bound to {bound}, and may still be plugged there: "
                f"{self._agents.why_down(bound)}",
                hint=f"Start neutron-fakevm-agent on {bound} again, or unbind the port.",
            )
