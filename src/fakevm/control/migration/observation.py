"""All that is seen of a guest while it moves: by others, of its outage, and by Neutron, of its ports."""

from __future__ import annotations

import functools
import logging
from ipaddress import ip_interface

from fakevm.control.agents import Agents
from fakevm.control.expectation import Events
from fakevm.control.job import all_in_background
from fakevm.control.known import words
from fakevm.control.migration.course import Course
from fakevm.control.migration.moving import MovingGuest
from fakevm.control.migration.samples import Samples
from fakevm.control.migration.witness import Watched, Witness, find_witnesses
from fakevm.control.neutron import Neutron
from fakevm.errors import FakevmError
from fakevm.model.event import Event
from fakevm.model.interface import InterfaceSeen
from fakevm.model.migration import InterfaceReport, Outage, Probe

LOG = logging.getLogger(__name__)


class Observation:
    """Watches a guest, each of its interfaces by itself."""

    def __init__(self, neutron: Neutron, agents: Agents, guest: MovingGuest, course: Course) -> None:
        self._neutron = neutron
        self._agents = agents
        self._guest = guest
        self._course = course
        self._events: Events | None = None
        self._first_event = 0
        self._samples: dict[str, Samples] = {}
        self._witnesses: dict[str, Witness] = {}

    def begin(self, events: Events | None) -> None:
        """Collect from now on what Neutron tells Nova, if anybody receives that. Raises Unreachable."""
        if events:
            self._events, self._first_event = events, events.newest()

    def sample(self) -> None:
        """Read the ports in Neutron from now on."""
        self._samples = {port.id: Samples(self._neutron, port.id, self._course) for port in self._guest.ports}

    def probe(self, wanted: str | None, interval: float, *, last: tuple[str, ...], never: tuple[str, ...]) -> None:
        """Have others probe it from now on, every ``interval`` seconds (see find_witnesses)."""
        self._witnesses = find_witnesses(
            self._neutron,
            self._agents,
            self._guest.id,
            self._watched(),
            wanted=wanted,
            interval=interval,
            last=last,
            never=never,
        )
        all_in_background(witness.start for witness in self._witnesses.values())

    def _watched(self) -> list[Watched]:
        """Say where each interface is, and at which addresses."""
        ports = {port.id: port.resource for port in self._guest.ports}
        watched = []
        for interface in self._guest.interfaces:
            if port := ports.get(interface.attached):
                addresses = tuple(fixed["ip_address"] for fixed in port["fixed_ips"])
                watched.append(Watched(interface.name, words(port["id"]), port["network_id"], addresses))
            else:
                addresses = tuple(address.partition("/")[0] for address in _lasting(interface))
                what = f"{interface.name} ({interface.kind} {interface.attached})"
                watched.append(Watched(interface.name, what, interface.attached, addresses, is_link=True))
        return watched

    def end(self, patience: float | None) -> tuple[InterfaceReport, ...]:
        """Tell what was seen of each interface; a witness waits until it answers again (see Witness.stop)."""
        stops = [functools.partial(one.stop, self._course.began, patience) for one in self._witnesses.values()]
        seen = dict(zip(self._witnesses, all_in_background(stops), strict=True))
        return tuple(
            self._told(interface, *seen.get(interface.name, ((), None))) for interface in self._guest.interfaces
        )

    def _told(self, interface: InterfaceSeen, probes: tuple[Probe, ...], outage: Outage | None) -> InterfaceReport:
        report = InterfaceReport(
            name=interface.name,
            kind="bridge" if interface.kind == "bridge" else "link",
            attached=interface.attached,
            mac_address=interface.mac_address,
            addresses=_lasting(interface),
            outage=outage,
            probes=probes,
        )
        for port in self._guest.ports:
            if port.id == interface.attached:
                samples = self._samples[port.id].stop() if port.id in self._samples else ()
                fixed_ips = port.described().fixed_ips
                return report.model_copy(
                    update={
                        "kind": "port",
                        "network": port.network["name"],
                        "mac_address": port.resource["mac_address"],
                        "addresses": tuple(f"{fixed.address}/{fixed.prefix_length}" for fixed in fixed_ips),
                        "samples": samples,
                    }
                )
        return report

    def events(self) -> tuple[Event, ...]:
        """Give the events of its ports that Neutron told Nova."""
        if not self._events:
            return ()
        try:
            events, _lost = self._events.follow(self._first_event, wait=0.0)
        except FakevmError as problem:
            LOG.warning("the events are missing from the report: %s", problem.what)
            return ()
        ids = {port.id for port in self._guest.ports}
        return tuple(event for event in events if event.tag in ids)


def _lasting(interface: InterfaceSeen) -> tuple[str, ...]:
    """Give the addresses that were given to it: those that the kernel makes for a link reach nobody from elsewhere."""
    return tuple(address for address in interface.addresses if not ip_interface(address).is_link_local)
