"""Makes what a lab file wants in a lab that runs: Neutron's resources, then the guests, then what runs in them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeVar

from fakevm.control import neutron as neutrons
from fakevm.control.access import Access
from fakevm.control.agents import Agents
from fakevm.control.expectation import events_at
from fakevm.control.neutron import Neutron
from fakevm.lab import carrying, fault, images, metadata, projects, readiness
from fakevm.lab.carrying import Opened
from fakevm.model.lab import LabRecord
from fakevm.model.labfile import BridgeFile, GuestFile, LabFile, LinkFile
from fakevm.model.resource import Ref, Resource
from fakevm.progress import Progress

from . import answers, gateways, proxying, running
from .boot import Boot
from .description import stages
from .kinds import KINDS
from .store import Store

# Requests to Neutron at once; its server has few processes.
PARALLEL = 4

_NO_SOCKETS: Mapping[str, Opened] = MappingProxyType({})

Item = TypeVar("Item")
Done = TypeVar("Done")
# Told a guest, and how many of its commands have been run.
Ran = Callable[[str, int], None]


@dataclass(frozen=True)
class Topology:
    """What a lab file wants, beside the lab that runs; ``timeout`` (seconds) is for each wait.

    Its steps are for all of the file, or for the guests that are given.
    """

    lab: LabFile
    record: LabRecord
    neutron: Neutron
    agents: Agents
    store: Store
    boot: Boot
    timeout: float

    def make_resources(self, progress: Progress) -> None:
        """Make Neutron's resources that are not there yet, and tell the metadata service of the guests."""
        self.store.load()
        self._make(progress, for_running_guests=False)
        if self.neutron.there:
            metadata.write_guests(self.record.directory, self.lab.name, self.lab.guests)

    def _make(self, progress: Progress, *, for_running_guests: bool) -> None:
        all_stages = stages(self.lab)
        wanted = {resource.ref for stage in all_stages for resource in stage.resources}
        for stage in all_stages:
            if KINDS[stage.kind].for_running_guests == for_running_guests:
                with progress.step(stage.title):
                    make_stage(self.store, stage.resources)
                    self.store.delete_unwanted(wanted)

    def carry(
        self,
        links: Mapping[str, LinkFile],
        sockets: Mapping[str, Opened],
        bridges: Mapping[str, BridgeFile],
        progress: Progress,
    ) -> None:
        """Make what is between guests' interfaces: bridges, and the relays of links that are not joined directly."""
        if bridges or any(link.is_carried for link in links.values()):
            with progress.step("links"):
                carrying.bridge(self.record, bridges)
                carrying.carry(self.record, links, sockets)

    def start(self, guests: Mapping[str, GuestFile], progress: Progress) -> None:
        """Plug guests whose ports are there, give them their addresses and their ends of links."""
        if guests:
            images.unpack(self.record, self.lab, guests, progress)
            self._wait_gateways(progress)
            with progress.step("guests"), self.boot.alone(guests, "its start", progress):
                problems = self.boot.start(guests)
            for problem in problems:
                progress.note(problem)

    def make_for_running_guests(self, progress: Progress) -> None:
        """Make those resources that wait for guests to run, with all their interfaces on ports."""
        self._wait_proxying(progress)
        self._make(progress, for_running_guests=True)

    def _wait_proxying(self, progress: Progress) -> None:
        """Wait for routers that are to proxy for the first time; those of which parts are distributed need it not."""
        new = [
            proxy.router
            for name, proxy in self.lab.ndp_proxies.items()
            if Ref("NDP proxy", name) not in self.store.seen
        ]
        routers = {self.store.ids[Ref("router", name)] for name in new if not self.lab.routers[name].distributed}
        if routers:
            with progress.step("routers that proxy"):
                unready = proxying.wait(self.record, self.lab, routers, self.timeout)
            if unready:
                progress.note(unready)

    def _wait_gateways(self, progress: Progress) -> None:
        if self.lab.routers and self.neutron.there and gateways.waited_for(self.record, self.lab):
            with progress.step("routers known to DHCP servers"):
                unknown = gateways.wait(self.record, self.neutron, self.lab, self.store.ids, self.timeout)
            if unknown:
                progress.note(unknown)

    def wait_floating_ips(self, progress: Progress) -> None:
        """Wait until the routers' agents have made the floating IPs. Raises TimedOut."""
        # One that leads nowhere is DOWN.
        leading = [name for name, floating in self.lab.floating_ips.items() if floating.is_some]
        if leading:
            ids = [self.store.ids[Ref("floating IP", name)] for name in leading]
            with progress.step("floating IPs in routers"):
                _wait_floating_ips(self.record, self.neutron, ids, self.timeout)

    def run(self, guests: Mapping[str, GuestFile], progress: Progress, ran: Ran = lambda _guest, _done: None) -> None:
        """Run the commands of guests that have started, and tell of each. Raises CommandFailed, TimedOut."""
        if any(guest.run for guest in guests.values()):
            with progress.step("commands in guests"):
                for name, guest in guests.items():
                    for done, command in enumerate(guest.run, start=1):
                        if command.is_kept:
                            self.boot.keep(name, guest.run[:done])
                        else:
                            running.run(self.record, self.boot.host_of(name), name, [command])
                        ran(name, done)


@contextmanager
def opened(lab: LabFile, record: LabRecord, timeout: float) -> Iterator[Topology]:
    """Reach a lab that runs, to make of it what its file wants."""
    access = Access.of(record)
    neutron = neutrons.connect(access)
    agents = Agents(access, neutron, functools.partial(fault.away, record))
    store = Store(neutron, projects.id_of(record, lab), projects.ids(record))
    boot = Boot(lab, store, neutron, agents, events=events_at(record.events_endpoint), timeout=timeout)
    try:
        yield Topology(lab, record, neutron, agents, store, boot, timeout)
    finally:
        agents.close()
        answers.add(record.directory, store.answers)


def make(
    lab: LabFile,
    record: LabRecord,
    progress: Progress,
    timeout: float,
    ran: Ran = lambda _guest, _done: None,
    *,
    sockets: Mapping[str, Opened] = _NO_SOCKETS,
) -> None:
    """Make all of a lab's topology that is not there yet; ``timeout`` (seconds) is for each wait.

    ``ran`` is told of each command that was run in a guest; ``sockets`` are those of links that lead out of the lab.
    Raises Refused, BindingFailed, PlugFailed, CommandFailed, TimedOut: what was made until then is there.
    """
    if not stages(lab) and not lab.guests:
        return
    with opened(lab, record, timeout) as topology:
        topology.make_resources(progress)
        topology.carry(lab.links, sockets, lab.bridges, progress)
        topology.start(lab.guests, progress)
        topology.make_for_running_guests(progress)
        topology.wait_floating_ips(progress)
        topology.run(lab.guests, progress, ran)


def with_commands(lab: LabFile, done: Mapping[str, int]) -> LabFile:
    """Give a lab file with no more than the first commands of each guest, as many as are ``done``."""
    guests = {name: g.model_copy(update={"run": g.run[: done.get(name, 0)]}) for name, g in lab.guests.items()}
    return lab.model_copy(update={"guests": guests})


def make_stage(store: Store, resources: Sequence[Resource]) -> int:
    """Make resources that do not need one another; returns how many were not there.

    Interfaces of one router are made one after the other: Neutron refuses changes of a router at the same time. Rules
    of one group are made in one request.
    """
    together = [resource for resource in resources if KINDS[resource.ref.kind].in_one_request]
    return sum(all_at_once(functools.partial(_make_row, store), rows(resources, beside=not together)))


def rows(resources: Sequence[Resource], *, beside: bool = True) -> list[list[Resource]]:
    """Split resources of one kind into those that Neutron is asked for one after the other.

    Not ``beside``: of each whole those that are asked for together.
    """
    found: dict[Ref, list[Resource]] = {}
    for resource in resources:
        kind = KINDS[resource.ref.kind]
        whole = resource.parent if kind.one_by_one or not beside else None
        found.setdefault(whole or resource.ref, []).append(resource)
    return list(found.values())


def _make_row(store: Store, row: Sequence[Resource]) -> int:
    if KINDS[row[0].ref.kind].in_one_request:
        return store.make_together(row)
    return sum(store.make(resource) for resource in row)


def all_at_once(work: Callable[[Item], Done], items: Iterable[Item]) -> list[Done]:
    """Do something with many items, some at once; the first failure is raised after all have ended."""
    with ThreadPoolExecutor(PARALLEL) as pool:
        return [future.result() for future in [pool.submit(work, item) for item in items]]


def _wait_floating_ips(record: LabRecord, neutron: Neutron, ids: Sequence[str], timeout: float) -> None:
    """Wait until the routers' agents have made the floating IPs. Raises TimedOut."""

    def check() -> str:
        found = neutron.collection("/floatingips", "look at the floating IPs", id=list(ids))
        return ", ".join(f"{ip['floating_ip_address']} is {ip['status']}" for ip in found if ip["status"] != "ACTIVE")

    readiness.wait(record, check, "the floating IPs", timeout, pause=0.3)
