"""Makes a difference so, in a lab that runs; what need not change is not touched."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext

from fakevm import names
from fakevm.errors import NotFound
from fakevm.lab import carrying, registry
from fakevm.lab.place import Guest, Places
from fakevm.lab.settle.settling import Place, Settled, nowhere, settle
from fakevm.lab.topology import making, running
from fakevm.lab.topology.conditions import of_port
from fakevm.lab.topology.links import ends
from fakevm.lab.topology.making import Topology
from fakevm.model.interface import Interface
from fakevm.model.lab import LabRecord
from fakevm.model.labfile import LabFile, LinkFile
from fakevm.model.labfile.guest import GuestPort
from fakevm.model.resource import Ref, Resource
from fakevm.progress import Progress

from . import config, hosts
from .difference import Difference, difference, new_commands
from .interfaces import Nic
from .made import Made


def plan(record: LabRecord, lab: LabFile, place: Place = nowhere) -> tuple[Settled, Difference]:
    """Compare a lab with a file; gives the file as the lab is to keep it, too. ``place``: as of ``settle``.

    Raises InvalidInput, LabFailed; of an unfinished lab also what Neutron does.
    """
    kept = settled(record, lab, place)
    old = registry.lab_file(record)
    found = _found(record, old, old.guests)
    where = {name: guest.host for name, guest in found.items()}
    if record.state == "unfinished":
        there, incomplete = _there(record, old), _incomplete(old, found)
        todo = difference(old, kept.lab, where, there, incomplete, relayed=set(carrying.relayed(record)))
    else:
        relayed = set(carrying.relayed(record))
        todo = difference(old, kept.lab, where, missing=_missing(old, found), relayed=relayed)
        todo = _holding(record, todo, kept.lab.links)
    hosts.refuse_leaving(old, todo.leaving)
    return kept, dataclasses.replace(todo, options=config.told(record, old, kept.lab))


def mending(record: LabRecord, name: str, link: LinkFile) -> Difference:
    """Say what brings back what a link lacks: ends that were detached by hand, its relay, its sockets.

    Raises LabFailed.
    """
    lab = registry.lab_file(record)
    found = _found(record, lab, {guest for guest, _ in link.interfaces})
    relayed = {other for other, each in lab.links.items() if each.is_carried and other != name}
    relayed |= {name} & set(carrying.relayed(record))
    missing = _missing(lab, found) & set(link.ends)
    where = {guest: each.host for guest, each in _found(record, lab, lab.guests).items()}
    return _holding(record, difference(lab, lab, where, missing=missing, relayed=relayed), {name: link})


def _holding(record: LabRecord, todo: Difference, links: Mapping[str, LinkFile]) -> Difference:
    """Have relays start anew, too, whose sockets nobody holds any more: one that died could not come back."""
    lost = tuple(
        name
        for name, link in links.items()
        if link.leads_out and name not in todo.carried and carrying.is_unheld(record, name)
    )
    return dataclasses.replace(todo, uncarried=(*todo.uncarried, *lost), carried=(*todo.carried, *lost))


def carry_out(record: LabRecord, todo: Difference, progress: Progress, timeout: float) -> None:
    """Do what brings a lab to its own file. Raises what ``apply`` raises."""
    _carry_out(record, registry.lab_file(record), todo, progress, timeout)


def _there(record: LabRecord, lab: LabFile) -> set[Ref]:
    """Look at what an unfinished lab has in Neutron of its file."""
    with making.opened(lab, record, timeout=0) as topology:
        topology.store.load()
        return set(topology.store.seen)


def _incomplete(lab: LabFile, found: Mapping[str, Guest]) -> list[str]:
    """Name the guests that are there without all of their interfaces."""
    linked = ends(lab)

    def lacks(name: str, guest: Guest) -> bool:
        made = [nic for nic in guest.record.nics if nic.state == "plugged"]
        ports = sum(1 for nic in made if nic.port)
        return ports < len(lab.guests[name].on_networks) or not linked[name].keys() <= {n.interface.name for n in made}

    return [name for name, guest in found.items() if lacks(name, guest)]


def _missing(lab: LabFile, found: Mapping[str, Guest]) -> set[str]:
    """Name the interfaces at links' ends that guests lack: they were detached by hand."""
    linked = ends(lab)
    return {
        f"{name}:{device}"
        for name, guest in found.items()
        for device in linked[name].keys() - {interface.name for interface in guest.record.interfaces}
    }


def settled(record: LabRecord, lab: LabFile, place: Place = nowhere) -> Settled:
    """Give a file as a lab keeps it: in its backend's words, without what that lacks. Raises InvalidFile."""
    named = lab.model_copy(update={"name": record.name})
    return settle(named, kernel_datapath=record.datapath == "kernel", place=place, runs=True)


def _found(record: LabRecord, lab: LabFile, guests: Iterable[str]) -> dict[str, Guest]:
    """Find guests, those that are anywhere."""
    places, found = Places(record, lab), {}
    for name in guests:
        try:
            found[name] = places.guest(name)
        except NotFound:
            continue
    return found


def apply(record: LabRecord, settled: Settled, todo: Difference, progress: Progress, timeout: float) -> None:
    """Bring the lab to the file; ``timeout`` (seconds) is for each wait.

    When it fails it may be repeated: what is done already is not done again. Raises what Neutron and agents raise.
    """
    if any(todo.steps()) or record.state == "unfinished":
        for note in settled.notes:
            progress.note(note.what)
        _carry_out(record, settled.lab, todo, progress, timeout)
    registry.save_lab_file(record, settled.lab)
    registry.change(record, lambda now: now._replace(state="up", guest_kind=settled.lab.guest_kind))


def _carry_out(record: LabRecord, wanted: LabFile, todo: Difference, progress: Progress, timeout: float) -> None:
    old = registry.lab_file(record)
    record = hosts.add(record, wanted, [name for name in todo.coming if name not in _known(record)], progress, timeout)
    # First of all: Neutron may need an option for what is made next, and what is interrupted here is done again.
    config.carry_out(record, todo.options, progress, timeout)
    with making.opened(wanted, record, timeout) as topology:
        topology.store.load()
        started = {name: wanted.guests[name] for name in todo.started}
        with topology.boot.alone(_touched(todo), "a change of its lab", progress):
            if todo.stopped:
                with progress.step("stopping guests"):
                    _stop(topology, old, todo.stopped)
            _detach(topology, todo.interfaces.detached, progress)
            carrying.drop(record, todo.uncarried)
            carrying.forget(record, old.links.keys() - wanted.links.keys())
            carrying.unbridge(record, old.bridges.keys() - wanted.bridges.keys())
            with progress.step("removing"):
                _remove(topology, todo.removed)
            topology.make_resources(progress)
            with progress.step("changing"):
                for resource, attributes in todo.changed:
                    topology.store.change(resource, attributes)
                _remove(topology, todo.removed_late)
            with contextlib.ExitStack() as held:
                bridges = {name: wanted.bridges[name] for name in todo.bridged}
                carried = {name: wanted.links[name] for name in todo.carried}
                topology.carry(carried, carrying.opened(carried, held), bridges, progress)
            topology.start(started, progress)
            _attach(topology, todo.interfaces.attached, progress)
            topology.make_for_running_guests(progress)
            _impair(topology, todo.interfaces.impaired, progress)
        topology.wait_floating_ips(progress)
        made = Made(record, old, wanted, todo.started)
        topology.run(started, progress, made.ran)
        _run_new_commands(topology, made, todo.commanded)
        _keep(topology, todo.kept, progress)
        leaving = [name for name in todo.leaving if name in _known(record)]
        hosts.remove(record, topology.neutron, leaving, progress)


def _touched(todo: Difference) -> set[str]:
    """Name the guests that are stopped or started, or whose interfaces come and go, or are impaired."""
    nics = (*todo.interfaces.detached, *todo.interfaces.attached, *todo.interfaces.impaired)
    return {*todo.stopped, *todo.started, *(nic.guest for nic in nics)}


def _known(record: LabRecord) -> set[str]:
    """Name the hosts that are there: an apply that failed may have made or removed some."""
    return {host.name for host in record.hosts}


def _stop(topology: Topology, lab: LabFile, guests: Iterable[str]) -> None:
    """Remove guests wherever they are, some at once; their ports are bound nowhere then."""

    def stop(guest: str) -> None:
        for host in topology.agents.alive():
            topology.agents.on(host).remove(names.instance_id(lab.name, guest))
        for port in lab.guests[guest].ports_of(guest):
            _unbind(topology, guest, port.name)

    topology.agents.known()
    making.all_at_once(stop, guests)


def _unbind(topology: Topology, guest: str, port: str) -> None:
    if id_ := topology.store.ids.get(Ref("port", port)):
        topology.neutron.update_port(id_, f"unbind guest {guest}'s port", binding_host_id="")


def _detach(topology: Topology, nics: Sequence[Nic], progress: Progress) -> None:
    """Take interfaces from guests that go on."""
    with progress.step("detaching interfaces") if nics else nullcontext():
        found = _found(topology.record, topology.lab, {nic.guest for nic in nics})
        for nic in (nic for nic in nics if nic.guest in found):
            agent = topology.agents.on(found[nic.guest].host)
            if not nic.port:
                agent.detach(names.instance_id(topology.lab.name, nic.guest), nic.device)
            elif port := topology.store.ids.get(Ref("port", nic.port)):
                agent.unplug(port)
                _unbind(topology, nic.guest, nic.port)


def _attach(topology: Topology, nics: Sequence[Nic], progress: Progress) -> None:
    """Give guests that go on their new interfaces. Raises NotFound: one is not there any more."""
    if not nics:
        return
    wanted, linked, places = topology.lab.guests, ends(topology.lab), Places(topology.record, topology.lab)
    where = {guest: places.guest(guest).host for guest in {nic.guest for nic in nics}}
    ports: dict[str, list[GuestPort]] = {guest: [] for guest in where}
    interfaces: dict[str, list[Interface]] = {guest: [] for guest in where}
    for nic in nics:
        ports[nic.guest] += [port for port in wanted[nic.guest].ports_of(nic.guest) if port.name == nic.port]
        interfaces[nic.guest] += [] if nic.port else [linked[nic.guest][nic.device]]
    with progress.step("attaching interfaces"):
        problems = topology.boot.plug(ports, where) + topology.boot.attach(interfaces, where)
    for problem in problems:
        progress.note(problem)


def _impair(topology: Topology, nics: Sequence[Nic], progress: Progress) -> None:
    """Let something else befall the frames of interfaces that stay."""
    if not nics:
        return
    linked, places = ends(topology.lab), Places(topology.record, topology.lab)
    with progress.step("impairing interfaces"):
        for nic in nics:
            ports = {port.name: port for port in topology.lab.guests[nic.guest].ports_of(nic.guest)}
            if nic.port:
                device = nic.device or names.device(topology.store.ids[Ref("port", nic.port)])
                sent, received = of_port(ports[nic.port].file)
            else:
                device, interface = nic.device, linked[nic.guest][nic.device]
                sent, received = interface.sent, interface.received
            topology.boot.impair(nic.guest, places.guest(nic.guest).host, device, sent, received)


def _remove(topology: Topology, resources: Iterable[Resource]) -> None:
    """Remove resources in their order, some of one kind at once; those that went with others are gone already."""

    def remove(row: Sequence[Resource]) -> None:
        for resource in row:
            if resource.ref in topology.store.seen:
                try:
                    topology.store.delete(resource.ref)
                except NotFound:
                    del topology.store.seen[resource.ref]

    for _, same in itertools.groupby(resources, key=lambda resource: resource.ref.kind):
        making.all_at_once(remove, making.rows(list(same)))


def _run_new_commands(topology: Topology, made: Made, guests: Iterable[str]) -> None:
    """Run what the old file did not have."""
    places = Places(topology.record, topology.lab)
    for name in guests:
        guest = places.guest(name)
        for command in new_commands(made[name], topology.lab.guests[name]):
            # Those that are kept running come at last, all at once.
            running.run(topology.record, guest.host, name, [command])
            made.ran_one(name, command)


def _keep(topology: Topology, guests: Sequence[str], progress: Progress) -> None:
    """Have guests that go on keep running what the new file says."""
    places = Places(topology.record, topology.lab)
    with progress.step("what guests keep running") if guests else nullcontext():
        for name in guests:
            run = topology.lab.guests[name].run
            for problem in topology.boot.keep(name, run, places.guest(name).host):
                progress.note(problem)
