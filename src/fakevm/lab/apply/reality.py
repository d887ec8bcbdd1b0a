"""What a lab really is, beside what a lab file says: Neutron's resources, guests and hosts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from fakevm.control import neutron as neutrons
from fakevm.control.access import Access
from fakevm.control.neutron import Neutron
from fakevm.control.neutron import Resource as Seen
from fakevm.errors import NotFound
from fakevm.lab import export, fault, outside, projects, registry, releases
from fakevm.lab.place import Places
from fakevm.lab.settle.settling import Place, nowhere
from fakevm.lab.topology import answers
from fakevm.lab.topology.conditions import of_port
from fakevm.lab.topology.description import resources
from fakevm.lab.topology.kinds import KINDS
from fakevm.lab.topology.links import ends
from fakevm.lab.topology.store import Store
from fakevm.model.interface import Interface
from fakevm.model.lab import LabRecord
from fakevm.model.labfile import GuestFile, LabFile

from . import config
from .applying import settled
from .difference import FIXED
from .drift import Drift, drift


def differences(record: LabRecord, file: LabFile | None, place: Place = nowhere) -> list[Drift]:
    """Compare a lab with a file, or with its own when None is given. ``place``: as of ``settle``.

    Raises InvalidInput, LabFailed, Unreachable.
    """
    own = registry.lab_file(record)
    lab = settled(record, file, place).lab if file else own
    neutron = neutrons.connect(Access.of(record))
    store = Store(neutron, projects.id_of(record, own), projects.ids(record))
    store.load()
    kinds = [kind for kind in KINDS if KINDS[kind].label] if neutron.there else []
    everything = {kind: _all(neutron, kind) for kind in kinds}
    return [
        *_of_lab(export.current(record, own), lab),
        *_of_hosts(record, lab),
        *config.differences(record, lab),
        *drift(resources(lab), store.seen, everything, answers.load(record.directory)),
        *_of_guests(record, lab),
    ]


def _all(neutron: Neutron, kind: str) -> list[Seen]:
    try:
        return neutron.collection(KINDS[kind].path, f"list each {kind}")
    except NotFound:
        # The lab's Neutron has no such extension.
        return []


def _of_lab(now: LabFile, lab: LabFile) -> Iterator[Drift]:
    for field in FIXED:
        wanted, found = (value.model_dump(mode="json")[field] for value in (lab, now))
        if wanted != found:
            yield Drift("changed", "lab", now.name, field, wanted, found)


def _of_hosts(record: LabRecord, lab: LabFile) -> Iterator[Drift]:
    states = fault.states(record)
    there = {host.name: host for host in record.hosts if host.roles != (outside.ROLE,)}
    for name, wanted in lab.hosts.items():
        if name not in there:
            yield Drift("missing", "host", name)
            continue
        found = there[name]
        pairs = {
            "state": ("running", states.get(name, "stopped")),
            "roles": (list(wanted.roles), list(found.roles)),
        }
        if lab.neutron:
            both = (wanted.release or lab.release, releases.written(found.release))
            pairs["release"] = (str(both[0]), str(both[1]))
        yield from (Drift("changed", "host", name, what, *pair) for what, pair in pairs.items() if pair[0] != pair[1])
    yield from (Drift("extra", "host", name) for name in there if name not in lab.hosts)


def _of_guests(record: LabRecord, lab: LabFile) -> Iterator[Drift]:
    """Say which guests are not plugged, or not on the host that the file names, or have other interfaces."""
    places, linked = Places(record, lab), ends(lab)
    for name, wanted in lab.guests.items():
        try:
            guest = places.guest(name)
        except NotFound:
            yield Drift("missing", "guest", name)
            continue
        if wanted.host not in (None, guest.host):
            yield Drift("changed", "guest", name, "host", wanted.host, guest.host)
        found = {interface.name: interface for interface in guest.record.interfaces}
        named = [port.device for port in wanted.ports_of(name) if port.device]
        yield from interfaces(name, named, linked[name], found)
        yield from made_of(name, wanted, found.values())
        yield from impaired(name, wanted, found.values())


def interfaces(
    guest: str, on_networks: Iterable[str], linked: Mapping[str, Interface], found: Mapping[str, Interface]
) -> Iterator[Drift]:
    """Compare a guest's interfaces with those that it has; of its ports Neutron's own lines tell.

    :param on_networks: the names of the devices of its ports, where the file gives them
    :param linked: those that are to be at links' ends
    """
    for device in (*on_networks, *linked):
        if device not in found:
            yield Drift("missing", "interface", f"{guest}:{device}")
    for device, interface in found.items():
        name = f"{guest}:{device}"
        if device in linked:
            pairs = zip(_seen(linked[device]).items(), _seen(interface).values(), strict=True)
            yield from (Drift("changed", "interface", name, key, a, b) for (key, a), b in pairs if a != b)
        elif interface.port is None:
            yield Drift("extra", "interface", name, "attached", None, interface.words)


def made_of(guest: str, wanted: GuestFile, found: Iterable[Interface]) -> Iterator[Drift]:
    """Compare what a guest's interfaces on networks are made of."""
    there = {interface.port.name: interface for interface in found if interface.port}
    for port in wanted.ports_of(guest):
        interface = there.get(port.name)
        if interface and interface.nic != port.file.nic:
            yield Drift("changed", "interface", f"{guest}:{interface.name}", "nic", port.file.nic, interface.nic)


def impaired(guest: str, wanted: GuestFile, found: Iterable[Interface]) -> Iterator[Drift]:
    """Compare what befalls the frames of a guest's ports; of links' ends their own lines tell."""
    there = {interface.port.name: interface for interface in found if interface.port}
    for port in wanted.ports_of(guest):
        if interface := there.get(port.name):
            name, now = f"{guest}:{interface.name}", (interface.sent, interface.received)
            rows = zip(("sent", "received"), of_port(port.file), now, strict=True)
            yield from (Drift("changed", "interface", name, key, a.words, b.words) for key, a, b in rows if a != b)


def _seen(interface: Interface) -> dict[str, Any]:
    return {
        "attached": interface.words,
        "mac": interface.mac_address,
        "mtu": interface.mtu,
        "addresses": list(interface.addresses),
        "sent": interface.sent.words,
        "received": interface.received.words,
    }
