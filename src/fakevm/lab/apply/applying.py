"""Makes a difference so, in a lab that runs; what need not change is not touched."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from fakevm.errors import NotFound
from fakevm.lab import registry
from fakevm.lab.place import Places
from fakevm.lab.settle.settling import Place, Settled, nowhere, settle
from fakevm.lab.topology import making, running
from fakevm.lab.topology.guests import port_name
from fakevm.lab.topology.making import Topology
from fakevm.model.lab import LabRecord
from fakevm.model.labfile import LabFile
from fakevm.model.resource import Ref, Resource
from fakevm.progress import Progress

from . import config, hosts
from .difference import Difference, difference, new_commands
from .made import Made


def plan(record: LabRecord, lab: LabFile, place: Place = nowhere) -> tuple[Settled, Difference]:
    """Compare a lab with a file; gives the file as the lab is to keep it, too. ``place``: as of ``settle``.

    Raises InvalidInput, LabFailed; of an unfinished lab also what Neutron does.
    """
    kept = settled(record, lab, place)
    old = registry.lab_file(record)
    there = _there(record, old) if record.state == "unfinished" else None
    todo = difference(old, kept.lab, _where(record, old), there)
    hosts.refuse_leaving(old, todo.leaving)
    return kept, dataclasses.replace(todo, options=config.told(record, old, kept.lab))


def _there(record: LabRecord, lab: LabFile) -> set[Ref]:
    """Look at what an unfinished lab has in Neutron of its file."""
    with making.opened(lab, record, timeout=0) as topology:
        topology.store.load()
        return set(topology.store.seen)


def settled(record: LabRecord, lab: LabFile, place: Place = nowhere) -> Settled:
    """Give a file as a lab keeps it: in its backend's words, without what that lacks. Raises InvalidFile."""
    named = lab.model_copy(update={"name": record.name})
    return settle(named, kernel_datapath=record.datapath == "kernel", place=place)


def _where(record: LabRecord, lab: LabFile) -> dict[str, str]:
    places, found = Places(record, lab), {}
    for name in lab.guests:
        try:
            found[name] = places.guest(name).host
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
    registry.change(record, lambda now: dataclasses.replace(now, state="up"))


def _carry_out(record: LabRecord, wanted: LabFile, todo: Difference, progress: Progress, timeout: float) -> None:
    old = registry.lab_file(record)
    record = hosts.add(record, wanted, [name for name in todo.coming if name not in _known(record)], progress, timeout)
    # First of all: Neutron may need an option for what is made next, and what is interrupted here is done again.
    config.carry_out(record, todo.options, progress, timeout)
    with making.opened(wanted, record, timeout) as topology:
        topology.store.load()
        if todo.stopped:
            with progress.step("stopping guests"):
                _stop(topology, old, todo.stopped)
        with progress.step("removing"):
            _remove(topology, todo.removed)
        topology.make_resources(progress)
        with progress.step("changing"):
            for resource, attributes in todo.changed:
                topology.store.change(resource, attributes)
            _remove(topology, todo.removed_late)
        started = {name: wanted.guests[name] for name in todo.started}
        topology.start(started, progress)
        topology.wait_floating_ips(progress)
        made = Made(record, old, wanted, todo.started)
        topology.run(started, progress, made.ran)
        _run_new_commands(topology, made, todo.commanded)
        leaving = [name for name in todo.leaving if name in _known(record)]
        hosts.remove(record, topology.neutron, leaving, progress)


def _known(record: LabRecord) -> set[str]:
    """Name the hosts that are there: an apply that failed may have made or removed some."""
    return {host.name for host in record.hosts}


def _stop(topology: Topology, lab: LabFile, guests: Iterable[str]) -> None:
    """Unplug guests wherever they are, further ports first; their ports are bound nowhere then."""
    agents = topology.agents
    for guest in guests:
        for index in reversed(range(len(lab.guests[guest].ports))):
            port = topology.store.ids.get(Ref("port", port_name(guest, index)))
            if port:
                for host in agents.alive():
                    agents.on(host).unplug(port)
                topology.neutron.update_port(port, f"unbind guest {guest}'s port", binding_host_id="")


def _remove(topology: Topology, resources: Iterable[Resource]) -> None:
    """Remove resources in their order; those that went with others are gone already."""
    for resource in resources:
        if resource.ref in topology.store.seen:
            try:
                topology.store.delete(resource.ref)
            except NotFound:
                del topology.store.seen[resource.ref]


def _run_new_commands(topology: Topology, made: Made, guests: Iterable[str]) -> None:
    """Run what the old file did not have."""
    places = Places(topology.record, topology.lab)
    for name in guests:
        guest = places.guest(name)
        for command in new_commands(made[name], topology.lab.guests[name]):
            running.run(topology.record, guest.host, guest.ports[0].port.id, name, [command])
            made.ran_one(name, command)
