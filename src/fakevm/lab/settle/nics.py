"""Interfaces of guests that cannot be plain."""

from __future__ import annotations

from collections.abc import Iterator

from fakevm.backend.base import Backend
from fakevm.lab.topology.conditions import of_port
from fakevm.model.labfile import LabFile, LinkEndFile
from fakevm.model.labfile.guest import GuestPort
from fakevm.model.nic import DEFAULT_NIC, why_not_plain
from fakevm.model.plan import LabPlan
from fakevm.model.remark import Location, Remark

from .types import Types

_HINT = f"Leave it out: the interface is a {DEFAULT_NIC} then."


def wrong(lab: LabFile, backend: Backend, plan: LabPlan, types: Types) -> Iterator[Remark]:
    """Find plain interfaces where there is no such port of Open vSwitch's, or where it would not do what it is for."""
    firewalls = {host.name: host.firewall for host in plan.hosts}
    for name, guest in lab.guests.items():
        for port in guest.ports_of(name):
            if port.file.nic == DEFAULT_NIC:
                continue
            at: Location = ("guests", name, *port.at, "nic")
            if port.file.nic not in backend.nics:
                yield Remark(f"with the backend {lab.backend} no interface is {port.file.nic}", at, _HINT)
                continue
            hybrid = firewalls.get(lab.home(name)) == "iptables_hybrid"
            if problem := why_not_plain(types.mtu(lab.networks[port.file.network]), hybrid=hybrid):
                yield Remark(problem, at, _HINT)
            yield from _received(port, at)
        for device, file in guest.interfaces.items():
            if isinstance(file, LinkEndFile) and file.nic != DEFAULT_NIC:
                what = (
                    f"an interface at a link's end, or in a bridge, is a {DEFAULT_NIC}: Open vSwitch has no part in it"
                )
                yield Remark(what, ("guests", name, "interfaces", device, "nic"), _HINT)


def _received(port: GuestPort, at: Location) -> Iterator[Remark]:
    """What a guest receives suffers where it leaves the host, by the other end of its device."""
    if of_port(port.file)[1]:
        yield Remark("what a plain interface receives can be neither impaired nor shaped", at, _HINT)
