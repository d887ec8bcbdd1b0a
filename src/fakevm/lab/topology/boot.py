"""Starts a lab file's guests: their ports are bound, plugged and addressed by the code that create-port uses."""

from __future__ import annotations

import functools
from collections.abc import Mapping

from fakevm.control.agents import Agents
from fakevm.control.expectation import Events
from fakevm.control.job import Job, all_in_background
from fakevm.control.lookout import Lookout
from fakevm.control.neutron import Neutron
from fakevm.control.stopwatch import Stopwatch
from fakevm.control.wiring import WiredPort, Wiring, Wish
from fakevm.model.labfile import GuestFile, LabFile, PortFile
from fakevm.model.resource import Ref

from .guests import port_name
from .store import Store


class Boot:
    """Plugs the ports of guests, which are in Neutron already; ``timeout`` (seconds) is for each wait."""

    def __init__(
        self, lab: LabFile, store: Store, neutron: Neutron, agents: Agents, *, events: Events, timeout: float
    ) -> None:
        self._lab = lab
        self._store = store
        self._neutron = neutron
        self._agents = agents
        self._events = events
        self._timeout = timeout

    def host_of(self, guest: str) -> str:
        """Say where a guest is to be: where the file says, else the compute hosts take turns."""
        if chosen := self._lab.guests[guest].host:
            return chosen
        compute = [name for name, host in self._lab.hosts.items() if "compute" in host.roles]
        return compute[list(self._lab.guests).index(guest) % len(compute)]

    def start(self, guests: Mapping[str, GuestFile]) -> list[WiredPort]:
        """Start guests, all at once; a guest's further ports after its first. Those that are plugged stay as they are.

        Raises BindingFailed, PlugFailed, AgentDown, TimedOut.
        """
        self._agents.prepare()
        job = Job(Lookout(self._neutron, self._agents))
        wirings = {
            network: self._wiring(network, job)
            for network in {p.network for guest in guests.values() for p in guest.ports}
        }
        most = max((len(guest.ports) for guest in guests.values()), default=0)
        made = []
        for index in range(most):
            works = [
                functools.partial(self._wire, wirings[guest.ports[index].network], name, index, guest.ports[index])
                for name, guest in guests.items()
                if index < len(guest.ports)
            ]
            made += job.attend(functools.partial(all_in_background, works))
        return made

    def _wiring(self, network: str, job: Job) -> Wiring:
        seen = self._neutron.network(self._store.ids[Ref("network", network)])
        subnets = self._neutron.subnets(seen["id"])
        return Wiring(self._neutron, self._agents, seen, subnets, events=self._events, job=job)

    def _wire(self, wiring: Wiring, guest: str, index: int, port: PortFile) -> WiredPort:
        first = self._store.ids[Ref("port", port_name(guest, 0))] if index else ""
        wish = Wish(self.host_of(guest), addressing=port.addressing, timeout=self._timeout, beside=first)
        port_id = self._store.ids[Ref("port", port_name(guest, index))]
        with self._agents.claimed([port_id], f"the start of guest {guest}"):
            return wiring.wire(self._neutron.port(port_id), wish, Stopwatch())
