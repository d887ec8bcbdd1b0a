"""The guest that is to move: found by the words that users have for it, with all that goes along."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from fakevm import names
from fakevm.control.agents import Agents
from fakevm.control.binding import describe, tagged
from fakevm.control.guests import Guests
from fakevm.control.known import guest_words, words
from fakevm.control.neutron import Neutron, Resource
from fakevm.errors import Conflict, NotFound
from fakevm.model.guest import GuestSeen, GuestSettings
from fakevm.model.impairment import whole
from fakevm.model.interface import InterfaceSeen
from fakevm.model.port import Port, Vlan
from fakevm.rpc.contract import AgentApi


class Found(NamedTuple):
    """A guest that is meant: its id, what people call it in a sentence, its ports' ids, and where it was seen.

    The port that was named comes first. ``hosts`` is of a guest without ports: Neutron says where the others are.
    """

    guest_id: str
    words: str
    port_ids: tuple[str, ...]
    hosts: tuple[str, ...] = ()

    @property
    def things(self) -> list[str]:
        """What is claimed beside the guest, always in the same order, so that of two commands one has it."""
        return sorted(self.port_ids)

    def ports(self, neutron: Neutron) -> dict[str, Resource]:
        """Read its ports, the one that was named first. Raises NotFound, Conflict when it has got another meanwhile."""
        if not self.port_ids:
            return {}
        if self.port_ids == (self.guest_id,):
            return {self.guest_id: neutron.port(self.guest_id)}
        ports = {port["id"]: port for port in neutron.ports_of(self.guest_id)}
        if new := set(ports) - set(self.port_ids):
            raise Conflict(f"{self.words} has got {words(min(new))} just now", hint="Try again.")
        if self.port_ids[0] not in ports:
            raise NotFound(f"there is no {words(self.port_ids[0])} any more")
        return {port_id: ports[port_id] for port_id in self.port_ids if port_id in ports}


def find(neutron: Neutron, agents: Agents, said: str) -> Found:
    """Find a guest by its name or id, or by any of its ports. Raises NotFound, Ambiguous."""
    try:
        meant = neutron.find_guest(said)[0]
    except NotFound:
        if found := _without_ports(neutron, agents, said):
            return found
        if not neutron.there:
            # It says which guests there are.
            Guests(neutron, agents).find(said)
        raise
    if not meant.instance:
        return Found(meant.port_id, words(meant.port_id), (meant.port_id,))
    others = sorted(port["id"] for port in neutron.ports_of(meant.instance) if port["id"] != meant.port_id)
    return Found(meant.instance, words(meant.port_id), (meant.port_id, *others))


def _without_ports(neutron: Neutron, agents: Agents, said: str) -> Found | None:
    """Look for a guest that has no port among those that hosts have."""
    guests, _ = Guests(neutron, agents).rows()
    meant = [guest for guest in guests if said in (guest.id, guest.name) and not ports_on(guest)]
    if len({guest.id for guest in meant}) != 1:
        return None
    return Found(meant[0].id, guest_words(meant[0].id), (), tuple(sorted(guest.host for guest in meant)))


def ports_on(guest: GuestSeen) -> list[str]:
    """Name the ports that a guest has on its host, that after which its namespace is named first."""
    return [interface.attached for interface in _interfaces(guest) if interface.kind == "port"]


def _interfaces(guest: GuestSeen) -> list[InterfaceSeen]:
    """Give its own interfaces: VLAN devices come with their port."""
    own = [interface for interface in guest.interfaces if interface.kind != "vlan"]
    return sorted(own, key=lambda interface: not _is_named_after(guest, interface))


def _is_named_after(guest: GuestSeen, interface: InterfaceSeen) -> bool:
    return guest.namespace == names.guest_namespace(guest.host, interface.attached)


@dataclass(frozen=True)
class MovingPort:
    """A port with what a host must know of it; ``device`` is its interface's in the guest."""

    resource: Resource
    network: Resource
    subnets: Sequence[Resource]
    vlans: tuple[Vlan, ...]
    device: str

    @property
    def id(self) -> str:
        """Its id."""
        return str(self.resource["id"])

    def described(self, *, bound: Resource | None = None, binding: Resource | None = None) -> Port:
        """Describe it as it was, or as it is ``bound`` now; or on the host of ``binding``, of several."""
        port = describe(bound or self.resource, self.network, self.subnets, binding=binding, vlans=self.vlans)
        return named(port, self.device)


def named(port: Port, device: str) -> Port:
    """Let the port's interface have the name that it had, "" for one of which that is not known."""
    return port.model_copy(update={"device": "" if device == names.device(port.id) else device})


@dataclass(frozen=True)
class MovingGuest:
    """A guest as it was on its host, and its ports, in the order of its interfaces."""

    seen: GuestSeen
    ports: tuple[MovingPort, ...]

    @property
    def id(self) -> str:
        """Its id."""
        return self.seen.id

    @property
    def interfaces(self) -> list[InterfaceSeen]:
        """Its own interfaces: those of the ports, and those that are attached to links."""
        return _interfaces(self.seen)

    def whose(self, port: MovingPort) -> str:
        """Say of which port, where there are several."""
        return f" of {port.device}" if len(self.ports) > 1 else ""

    def make(self, agent: AgentApi, ports: Iterable[Port], *, asleep: bool = False) -> None:
        """Make it on another host, with these of its ports as they are bound there, and with its links.

        Raises PlugFailed, AgentDown, Conflict.
        """
        wanted = {port.id: port for port in ports}
        if not self._comes_with_its_first_port(wanted):
            agent.start(self.seen.same, asleep=asleep)
        for interface in self.interfaces:
            if interface.wanted:
                agent.attach(self.id, interface.wanted)
            elif port := wanted.get(interface.attached):
                agent.plug(port.model_copy(update={"guest_kind": self.seen.kind, "nic": interface.nic}), asleep=asleep)
                if interface.sent or interface.received:
                    agent.impair(self.id, interface.name, whole(interface.sent), whole(interface.received))

    def _comes_with_its_first_port(self, wanted: Mapping[str, Port]) -> bool:
        """Tell whether plugging alone makes the same guest: one without settings and daemons, named after it."""
        first = next(iter(self.interfaces), None)
        plain = self.seen.settings == GuestSettings() and not self.seen.daemons
        return plain and first is not None and _is_named_after(self.seen, first) and first.attached in wanted


def gather(neutron: Neutron, seen: GuestSeen, ports: Mapping[str, Resource]) -> MovingGuest:
    """Read what is needed of a guest's ports, of which ``ports`` are those in Neutron.

    Raises Conflict when the guest has not just the ports on its host that are bound there.
    """
    _require_whole(seen, ports)
    moved = [(ports[one.attached], one.name) for one in _interfaces(seen) if one.kind == "port"]
    networks = dict.fromkeys(port["network_id"] for port, _ in moved)
    known = {id_: (neutron.network(id_), neutron.subnets(id_)) for id_ in networks}
    moving = [
        MovingPort(port, *known[port["network_id"]], vlans=tuple(tagged(neutron, port)), device=device)
        for port, device in moved
    ]
    return MovingGuest(seen, tuple(moving))


def _require_whole(seen: GuestSeen, ports: Mapping[str, Resource]) -> None:
    plugged = ports_on(seen)
    for port_id in plugged:
        if port_id not in ports:
            raise Conflict(
                f"{words(port_id)} is plugged on {seen.host}, but Neutron has no such port of {seen.title}",
                hint=f"fakevm unplug-all-host {port_id} removes what is left of it.",
            )
        bound = ports[port_id]["binding:host_id"]
        if bound != seen.host:
            raise Conflict(
                f"{words(port_id)} is plugged on {seen.host}, but bound to {bound or 'no host'}",
                hint=f"If nobody moves it just now: fakevm migrate --recover {port_id}",
            )
    for port_id, port in ports.items():
        if port["binding:host_id"] == seen.host and port_id not in plugged:
            raise not_plugged(port, seen.host)
    for interface in seen.interfaces:
        if interface.kind in ("link", "bridge") and interface.wanted is None:
            raise Conflict(
                f"the agent on {seen.host} does not say how {interface.name} of {seen.title} was made",
                hint="Detach it, move the guest, attach it again; or upgrade FakeVM there.",
            )


def not_plugged(port: Resource, host: str) -> Conflict:
    """Say that a port is not where it should be."""
    return Conflict(
        f"{words(port['id'])} is not plugged on {host}; Neutron has it bound to {port['binding:host_id'] or 'no host'}",
        hint=f"Look where it is: fakevm show {port['id']}",
    )
