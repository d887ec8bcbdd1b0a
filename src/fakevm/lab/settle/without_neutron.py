"""What a lab file asks for that a lab without Neutron (``neutron: false``) does not have."""

from __future__ import annotations

from collections.abc import Iterator

from fakevm.model.labfile import LabFile
from fakevm.model.labfile import neutron as neutrons
from fakevm.model.labfile.check import PathCheck
from fakevm.model.remark import Location, Remark
from fakevm.names import NO_BACKEND

_WHY = "this lab has no Neutron (neutron: false)"
_HINTS = {"ports": "Attach the guest to links: interfaces: {eth1: {addresses: [10.9.0.1/24]}}"}


def wrong(written: LabFile) -> Iterator[Remark]:
    """Find it in a file as it was written."""
    if written.neutron:
        return
    for at in _keys(written):
        yield Remark(f"{_WHY}, which {at[-1]!r} is for", at, _HINTS.get(str(at[-1]), ""))
    hosts = written.hosts if "hosts" in written.model_fields_set else {}
    for name, host in hosts.items():
        for role in host.roles:
            if role != "compute":
                yield Remark(f"{_WHY}, whose agents the role {role!r} is for", ("hosts", name, "roles"))
        if host.config:
            yield Remark(f"{_WHY}, whose agents 'config' is for", ("hosts", name, "config"))
    for name, check in written.checks.items():
        if isinstance(check, PathCheck):
            yield Remark(f"{_WHY}, without which there is no check {check.kind!r}", ("checks", name, "kind"))


def _keys(written: LabFile) -> Iterator[Location]:
    resources = {key for key in written.sections() if key in written.model_fields_set}
    yield from ((key,) for key in sorted(resources))
    for at in neutrons.keys(written):
        # What stands in the place of a backend is not written by people.
        if at[0] not in resources and (at != ("backend",) or written.backend != NO_BACKEND):
            yield at
