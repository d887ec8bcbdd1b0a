"""The lab file of a lab that runs: what it was made from, with what has moved since."""

from __future__ import annotations

import io
from typing import Any

from ruamel.yaml import YAML

from fakevm.errors import NotFound
from fakevm.model.lab import LabRecord
from fakevm.model.labfile import LabFile

from . import registry, releases
from .place import Places
from .topology.links import ends


def text(record: LabRecord) -> str:
    """Write the lab file: guests are on the hosts where they are now, hosts have the releases that they have now.

    What is as by default is left out. Raises LabFailed: what the lab is to be cannot be read.
    """
    return written(current(record, registry.lab_file(record)))


def written(lab: LabFile) -> str:
    """Write a lab file, without what is as by default."""
    tree = lab.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    # An empty mapping is not the default: a lab has at least one host, and its hosts are always said.
    tree["name"] = lab.name
    if not lab.neutron:
        # What stands in its place is nobody's word.
        del tree["backend"]
    for name, guest in lab.guests.items():
        tree["guests"][name].pop("kind", None)
        if guest.kind != lab.guest_kind:
            tree["guests"][name]["kind"] = guest.kind
    for name, check in lab.checks.items():
        tree["checks"][name]["kind"] = check.kind
    stream = io.StringIO()
    yaml = YAML()
    yaml.default_flow_style = None
    yaml.width = 120
    yaml.dump(_ordered(tree, list(type(lab).model_fields)), stream)
    return stream.getvalue()


def current(record: LabRecord, lab: LabFile) -> LabFile:
    """Give the lab file with what may have changed in the lab: where guests are, and which releases run."""
    places = Places(record, lab)
    guests = {}
    for name, guest in lab.guests.items():
        try:
            guests[name] = guest.model_copy(update={"host": places.guest(name).host})
        except NotFound:
            guests[name] = guest
    lab = lab.model_copy(update={"guests": guests})
    if not record.neutron:
        return lab
    others = {host.name: releases.written(host.release) for host in record.hosts if host.release != record.release}
    hosts = {name: host.model_copy(update={"release": others.get(name)}) for name, host in lab.hosts.items()}
    return lab.model_copy(update={"hosts": hosts, "release": releases.written(record.release)})


def left_out(record: LabRecord, lab: LabFile) -> list[str]:
    """Name the interfaces that the file's guests have and the file does not: those they were given since."""
    places, linked, found = Places(record, lab), ends(lab), []
    for name, guest in lab.guests.items():
        ports = {port.name for port in guest.ports_of(name)}
        try:
            own = places.guest(name).record.interfaces
        except NotFound:
            continue
        for interface in own:
            known = interface.port.name in ports if interface.port else interface.name in linked[name]
            found += [] if known else [f"{name}:{interface.name} ({interface.words})"]
    return found


def _ordered(tree: dict[str, Any], order: list[str]) -> dict[str, Any]:
    """Put the keys into the order of the documentation."""
    return dict(sorted(tree.items(), key=lambda item: order.index(item[0])))
