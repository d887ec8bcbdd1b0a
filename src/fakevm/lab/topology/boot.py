"""Starts a lab file's guests: their ports are bound, plugged and addressed by the code that create-port uses.

Then they get their ends of links.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain, zip_longest
from types import MappingProxyType

from fakevm import names
from fakevm.control.agents import Agents
from fakevm.control.expectation import Events
from fakevm.control.job import Job, all_in_background
from fakevm.control.known import learn_names
from fakevm.control.lookout import Lookout
from fakevm.control.neutron import Neutron
from fakevm.control.stopwatch import Stopwatch
from fakevm.control.wiring import Wiring, Wish
from fakevm.lab import images
from fakevm.lab.topology.routing import daemons as routing
from fakevm.lab.topology.routing.commands import commands
from fakevm.model.daemon import Daemon
from fakevm.model.guest import Guest, GuestSeen
from fakevm.model.impairment import Conditions, whole
from fakevm.model.interface import Interface
from fakevm.model.labfile import GuestFile, LabFile
from fakevm.model.labfile.guest import GuestPort, RunFile
from fakevm.model.resource import Ref
from fakevm.progress import Progress

from .conditions import of_port
from .links import ends
from .store import Store

# Interfaces that an agent is given with one call, which has its time.
_AT_ONCE = 16
_NOWHERE: Mapping[str, str] = MappingProxyType({})


class Boot:
    """Makes guests, whose ports are in Neutron already; ``timeout`` (seconds) is for each wait.

    Raises Prerequisite: what a router needs is not there.
    """

    def __init__(
        self, lab: LabFile, store: Store, neutron: Neutron, agents: Agents, *, events: Events | None, timeout: float
    ) -> None:
        self._lab = lab
        self._store = store
        self._neutron = neutron
        self._agents = agents
        self._events = events
        self._timeout = timeout
        self._routing = routing.daemons(lab)

    def host_of(self, guest: str) -> str:
        """Say where a guest is to be: where the file says, else the compute hosts take turns."""
        return self._lab.home(guest)

    def start(self, guests: Mapping[str, GuestFile]) -> list[str]:
        """Start guests, all at once: a guest's further ports after its first, its ends of links at last.

        What is there already stays as it is. Says what is not as it should be of guests that were started.
        To be done while they are had ``alone``. Raises BindingFailed, PlugFailed, AgentDown, TimedOut.
        """
        job, ports = self._job(), {name: guest.ports_of(name) for name, guest in guests.items()}
        linked = ends(self._lab)
        # A guest that has no ports is made with all its interfaces at once.
        whole = {name: () if ports[name] else tuple(linked[name].values()) for name in guests}
        # So does what makes a router of it begin: routers that are there wait for those that are not.
        routing = {name: () if ports[name] else self._routing.get(name, ()) for name in guests}
        without = [
            functools.partial(self._make, name, whole[name], routing[name])
            for name in guests
            if not (ports[name] and guests[name].is_plain)
        ]
        problems = _all(job, without) + self.plug(ports, job=job)
        problems += self.attach({name: list(linked[name].values()) for name in guests if ports[name]}, job=job)
        routers = [functools.partial(self.keep, name) for name in guests if ports[name] and name in self._routing]
        return problems + _all(job, routers)

    @contextmanager
    def alone(self, guests: Collection[str], doing: str, progress: Progress) -> Iterator[None]:
        """Have guests alone among all commands, for as long as the block lasts; waits for who has one of them.

        ``doing`` says what for. Raises Conflict, Unreachable.
        """
        if not guests:
            yield
            return
        ids = {names.instance_id(self._lab.name, guest): guest for guest in guests}
        learn_names(ids)
        with self._agents.claimed((), doing, guests=ids, patience=self._timeout, progress=progress):
            yield

    def plug(
        self,
        ports: Mapping[str, Sequence[GuestPort]],
        where: Mapping[str, str] = _NOWHERE,
        *,
        job: Job | None = None,
    ) -> list[str]:
        """Plug ports of guests, by the guests' names, one after the other of each: the routes of the first win.

        ``where`` says on which hosts guests are that run already. Raises what ``start`` raises.
        """
        job = job or self._job()
        networks = {port.file.network for own in ports.values() for port in own}
        wirings = {network: self._wiring(network, job) for network in networks}
        problems = []
        for turn in zip_longest(*([(name, port) for port in own] for name, own in ports.items())):
            works = [
                functools.partial(self._wire, wirings[port.file.network], name, port, where.get(name))
                for name, port in filter(None, turn)
            ]
            problems += _all(job, works)
        return problems

    def attach(
        self,
        interfaces: Mapping[str, Sequence[Interface]],
        where: Mapping[str, str] = _NOWHERE,
        *,
        job: Job | None = None,
    ) -> list[str]:
        """Give guests, by their names, interfaces at links' ends. ``where``, and what is raised: as of ``plug``."""
        works = [
            functools.partial(self._attach, name, own, where.get(name) or self.host_of(name))
            for name, own in interfaces.items()
            if own
        ]
        return _all(job or self._job(), works)

    # -- one guest -------------------------------------------------------------------------------------------

    def keep(self, guest: str, run: Sequence[RunFile] = (), host: str = "") -> list[str]:
        """Have a guest keep running what makes a router of it, and those of the commands ``run`` that are to stay.

        ``host`` says where it runs already. Says what does not run. Raises NotFound, PlugFailed, AgentDown.
        """
        own = self._routing.get(guest, ())
        wanted = (*own, *commands(run, taken=[daemon.name for daemon in own]))
        agent = self._agents.on(host or self.host_of(guest))
        return _not_running(guest, agent.keep(names.instance_id(self._lab.name, guest), wanted))

    def _job(self) -> Job:
        self._agents.prepare()
        return Job(Lookout(self._neutron, self._agents))

    def _make(self, guest: str, interfaces: tuple[Interface, ...], daemons: tuple[Daemon, ...]) -> list[str]:
        """Make a guest that plugging ports alone would not make; one that was there gets what it lacks."""
        file, server = self._lab.guests[guest], names.instance_id(self._lab.name, guest)
        settings = file.settings.model_copy(update={"image": images.of_guest(self._lab, guest)})
        made = Guest(id=server, name=guest, hostname=guest, kind=file.kind, settings=settings, daemons=daemons)
        seen = self._agents.on(self.host_of(guest)).start(made, interfaces=interfaces)
        words = [f"{guest}: {seen.problem}"] if seen.problem else []
        words += [f"{guest}:{own.name}: {word}" for own in seen.interfaces for word in (own.problem, own.lacks) if word]
        there = [own.wanted for own in seen.interfaces]
        lacking = [interface for interface in interfaces if interface not in there]
        words += self._attach(guest, lacking, self.host_of(guest))
        if daemons and tuple(daemon.wanted for daemon in seen.daemons) != daemons:
            return words + self.keep(guest)
        return words + _not_running(guest, seen)

    def _attach(self, guest: str, interfaces: Sequence[Interface], host: str) -> list[str]:
        agent, server, problems = self._agents.on(host), names.instance_id(self._lab.name, guest), []
        for first in range(0, len(interfaces), _AT_ONCE):
            some = tuple(interfaces[first : first + _AT_ONCE])
            seen = [
                own for own in agent.attach_all(server, some).interfaces if own.name in {each.name for each in some}
            ]
            problems += [f"{guest}:{own.name}: {word}" for own in seen for word in (own.problem, own.lacks) if word]
        return problems

    def _wiring(self, network: str, job: Job) -> Wiring:
        seen = self._neutron.network(self._store.ids[Ref("network", network)])
        subnets = self._neutron.subnets(seen["id"])
        return Wiring(self._neutron, self._agents, seen, subnets, events=self._events, job=job)

    def _wire(self, wiring: Wiring, guest: str, port: GuestPort, host: str | None) -> list[str]:
        wish = Wish(
            host or self.host_of(guest),
            addressing=port.file.addressing,
            timeout=self._timeout,
            device=port.device,
            guest_kind=self._lab.guests[guest].kind,
            nic=port.file.nic,
        )
        port_id = self._store.ids[Ref("port", port.name)]
        with self._agents.claimed([port_id], f"the start of guest {guest}"):
            wired = wiring.wire(self._neutron.port(port_id), wish, Stopwatch())
            self._impair(guest, wish.host, wish.device or names.device(port_id), *of_port(port.file))
        return [f"{wired.name}: {wired.problem}"] if wired.problem else []

    def impair(self, guest: str, host: str, device: str, sent: Conditions, received: Conditions) -> None:
        """Have an interface of a guest be under just these conditions. Raises PlugFailed, AgentDown."""
        server = names.instance_id(self._lab.name, guest)
        self._agents.on(host).impair(server, device, whole(sent), whole(received))

    def _impair(self, guest: str, host: str, device: str, sent: Conditions, received: Conditions) -> None:
        if sent or received:
            self.impair(guest, host, device, sent, received)


def _not_running(guest: str, seen: GuestSeen) -> list[str]:
    return [f"{guest}: {daemon.problem}" for daemon in seen.daemons if daemon.problem]


def _all(job: Job, works: Sequence[Callable[[], list[str]]]) -> list[str]:
    """Do all at once, for as long as nothing is missed that they need."""
    return list(chain(*job.attend(functools.partial(all_in_background, works)))) if works else []
