"""Where ports are plugged: found among Neutron and the hosts, of which some may be dead."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fakevm.control.agents import GLANCE, SILENCE, Agents
from fakevm.control.lookup import Candidate, find_guest
from fakevm.control.neutron import Neutron
from fakevm.errors import AgentDown, Ambiguous, FakevmError, NotFound
from fakevm.model.port import Vif


@dataclass(frozen=True)
class Holders:
    """The hosts that hold a port, with its VIF there; and those that could not be asked, with the reason."""

    vifs: dict[str, Vif]
    unasked: dict[str, FakevmError]


class Whereabouts:
    """Finds ports by the words that users have for them, and the hosts on which they are."""

    def __init__(self, neutron: Neutron, agents: Agents) -> None:
        self._neutron = neutron
        self._agents = agents
        agents.prepare()

    def find_guest(self, words: str, hosts: Iterable[str]) -> tuple[Candidate, ...]:
        """Find a port, or a guest's several, in Neutron, else (it may be deleted there) among what hosts hold.

        Raises NotFound, Ambiguous.
        """
        try:
            return self._neutron.find_guest(words)
        except NotFound:
            held = self._agents.ask_all(hosts, self.glance)
            vifs = [vif for answer in held.values() if not isinstance(answer, FakevmError) for vif in answer]
            if not vifs:
                raise
            return find_guest(words, map(candidate, vifs))

    def glance(self, host: str) -> list[Vif]:
        """List what a host holds; nobody waits long for it."""
        return self._agents.list_vifs(host, GLANCE)

    def where(self, port_id: str, *, bound: str | None = None) -> Holders:
        """Find out on which hosts a port is plugged, and which hosts could not be asked.

        ``bound``: the host to which it is bound, which should know; nobody waits long for the others then.
        """

        def ask(host: str) -> Vif | None:
            return self._agents.show(host, port_id, SILENCE if bound in (None, host) else GLANCE)

        alive = self._agents.alive()
        answers = self._agents.ask_all(alive, ask)
        unasked = {host: problem for host, problem in answers.items() if isinstance(problem, FakevmError)}
        if bound and bound not in alive and bound in self._agents.known():
            unasked[bound] = AgentDown(self._agents.why_down(bound))
        return Holders({host: vif for host, vif in answers.items() if isinstance(vif, Vif)}, unasked)

    def host_of(self, port: Candidate) -> str:
        """Find the one host on which a port is plugged. Raises NotFound, Ambiguous, Unreachable."""
        if self._is_there(port):
            return port.host
        found = self.where(port.port_id)
        if len(found.vifs) == 1:
            return next(iter(found.vifs))
        if found.vifs:
            raise Ambiguous(f"{port.words} is plugged on {', '.join(found.vifs)}", hint="Say --host HOST.")
        if found.unasked:
            raise next(iter(found.unasked.values()))
        plug = f"fakevm plug {port.port_id} --host HOST plugs it."
        raise NotFound(f"{port.words} is not plugged on any host", hint=plug)

    def _is_there(self, port: Candidate) -> bool:
        """Tell whether a port is where Neutron has bound it: then nobody else need be asked."""
        if port.host not in self._agents.alive():
            return False
        try:
            return self._agents.show(port.host, port.port_id) is not None
        except AgentDown:
            return False

    def dead_hosts(self) -> dict[str, str]:
        """Tell of the hosts whose agents are down, and since when or why."""
        return {
            host: self._agents.why_down(host)
            for host, agent in sorted(self._agents.known().items())
            if not agent["alive"]
        }


def candidate(vif: Vif) -> Candidate:
    """Give a VIF that a host holds as a port that may be meant."""
    return Candidate(vif.port_id, vif.name, vif.instance_id, vif.host)
