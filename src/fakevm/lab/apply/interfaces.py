"""Which interfaces guests get and lose while they run, and which links come and go: pure, from two lab files."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from fakevm.lab.topology.conditions import of_port
from fakevm.lab.topology.guests import subport_name
from fakevm.lab.topology.links import Ends, ends
from fakevm.model.impairment import Conditions
from fakevm.model.interface import Interface, LinkEnd
from fakevm.model.labfile import LabFile
from fakevm.model.labfile.guest import GuestPort
from fakevm.model.nic import NicKind
from fakevm.model.resource import Ref

from .step import Change, Step


class Nic(NamedTuple):
    """An interface of a guest: its device's name, and its port's in Neutron, empty at the end of a link."""

    guest: str
    device: str
    port: str = ""

    def __str__(self) -> str:
        return f"{self.guest}:{self.device}"


class OnNetwork(NamedTuple):
    """An interface on a network: what its port is made of in Neutron, and what it is made of in the guest."""

    refs: frozenset[Ref]
    nic: NicKind


# What is on a network, or at a link's end.
Made = OnNetwork | Interface


@dataclass(frozen=True)
class Interfaces:
    """What is done to the interfaces of guests that go on; ``going`` says what is taken away, ``coming`` the rest.

    Those that are ``impaired`` stay as they are, and something else befalls their frames.
    """

    detached: tuple[Nic, ...]
    attached: tuple[Nic, ...]
    going: tuple[Step, ...]
    coming: tuple[Step, ...]
    impaired: tuple[Nic, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """Two lab files; ``removed`` are the resources of the old one that will be removed, be it to be made anew.

    ``missing`` are interfaces at links' ends that the old one has, and guests that run have not: GUEST:INTERFACE.
    """

    old: LabFile
    new: LabFile
    removed: Collection[Ref]
    missing: Collection[str] = ()

    def needs_restart(self, guest: str) -> bool:
        """Tell whether a guest that is in both files cannot get its interfaces while it runs.

        Those that are written as ``ports`` are a guest's from its start. A guest ends with its last port, too, when it
        has nothing else then.
        """
        before, gone = self._before(guest), self.detached(guest)
        if not any(nic.port for nic in (*gone, *self.attached(guest))):
            return False
        if any(lab.guests[guest].ports for lab in (self.old, self.new)):
            return True
        return bool(gone) and len(gone) == len(before)

    def detached(self, guest: str) -> list[Nic]:
        """Name what a guest has and will not have, or not as it is."""
        before, after = self._before(guest), self._after(guest)
        return [nic for nic in before if before[nic] != after.get(nic) or self._is_removed(before[nic])]

    def attached(self, guest: str) -> list[Nic]:
        """Name what a guest will have and has not, or not as it will be."""
        before, after = self._before(guest), self._after(guest)
        return [nic for nic in after if after[nic] != before.get(nic) or self._is_gone(nic, after[nic])]

    def of(self, guests: Collection[str]) -> Interfaces:
        """Compare the interfaces of the guests that go on, and all links."""
        detached = [nic for guest in guests for nic in self.detached(guest)]
        attached = [nic for guest in guests for nic in self.attached(guest)]
        old, new = self.old.links, self.new.links
        told = {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)}
        changed = [name for name in new if name in old and name in told]
        own = {nic for nic in (*detached, *attached) if nic.port or not self._links(nic) & told}
        gone = [nic for nic in detached if nic not in attached and nic in own]
        impaired = [nic for guest in guests for nic in self._impaired(guest) if nic not in attached]
        untold = [nic for nic in impaired if not self._links(nic) & told]
        return Interfaces(
            detached=tuple(detached),
            attached=tuple(attached),
            going=(
                *(Step("remove", "link", name) for name in old if name not in new),
                *(Step("detach", "interface", str(nic)) for nic in gone),
            ),
            coming=(
                *(Step("make", "link", name) for name in new if name not in old),
                *(self._link_step(name) for name in changed),
                *(self._coming(nic, detached) for nic in attached if nic in own),
                *(Step("change", "interface", str(nic), self._impairments(nic)) for nic in untold),
            ),
            impaired=tuple(impaired),
        )

    # -- within ----------------------------------------------------------------------------------------------

    @cached_property
    def _ends(self) -> tuple[Ends, Ends]:
        return ends(self.old), ends(self.new)

    def _before(self, guest: str) -> Mapping[Nic, Made]:
        return _nics(self.old, guest, self._ends[0])

    def _after(self, guest: str) -> Mapping[Nic, Made]:
        return _nics(self.new, guest, self._ends[1])

    def _is_removed(self, made: Made) -> bool:
        return isinstance(made, OnNetwork) and not made.refs.isdisjoint(self.removed)

    def _is_gone(self, nic: Nic, made: Made) -> bool:
        return self._is_removed(made) or (not nic.port and str(nic) in self.missing)

    def _links(self, nic: Nic) -> set[str]:
        """Name the links that an interface is at, in either file."""
        found = (each.get(nic.guest, {}).get(nic.device) for each in self._ends)
        ends = (interface.attachment for interface in found if interface)
        return {end.link for end in ends if isinstance(end, LinkEnd)}

    def _coming(self, nic: Nic, detached: Container[Nic]) -> Step:
        if nic not in detached:
            return Step("attach", "interface", str(nic))
        return Step("replace", "interface", str(nic), self._nic_changes(nic) if nic.port else self._end_changes(nic))

    def _nic_changes(self, nic: Nic) -> tuple[Change, ...]:
        was, wanted = self._before(nic.guest)[nic], self._after(nic.guest)[nic]
        assert isinstance(was, OnNetwork) and isinstance(wanted, OnNetwork)
        return (Change("nic", was.nic, wanted.nic),) if was.nic != wanted.nic else ()

    def _end_changes(self, nic: Nic) -> tuple[Change, ...]:
        was, wanted = (each[nic.guest][nic.device] for each in self._ends)
        pairs = {
            "mac": (was.mac_address, wanted.mac_address),
            "mtu": (was.mtu, wanted.mtu),
            "addresses": (list(was.addresses), list(wanted.addresses)),
        }
        return tuple(Change(what, a, b) for what, (a, b) in pairs.items() if a != b)

    def _impaired(self, guest: str) -> list[Nic]:
        """Name the interfaces that stay, and whose frames something else is to befall."""
        before, after = (
            _conditions(lab, guest, ends) for lab, ends in zip((self.old, self.new), self._ends, strict=True)
        )
        return [nic for nic in after if nic in before and after[nic] != before[nic]]

    def _impairments(self, nic: Nic) -> tuple[Change, ...]:
        was, wanted = (
            _conditions(lab, nic.guest, ends)[nic] for lab, ends in zip((self.old, self.new), self._ends, strict=True)
        )
        named = zip(("sent", "received"), was, wanted, strict=True)
        return tuple(Change(what, a.words or "as is", b.words or "as is") for what, a, b in named if a != b)

    def _link_step(self, name: str) -> Step:
        """Say what is done to a link: nothing of it is made anew for what befalls its frames."""
        changes = self._link_changes(name)
        live = all(change.what in ("impair", "shape") for change in changes)
        return Step("change" if live else "replace", "link", name, changes)

    def _link_changes(self, name: str) -> tuple[Change, ...]:
        was, wanted = (lab.links[name].model_dump(mode="json") for lab in (self.old, self.new))
        return tuple(Change(key, was[key], wanted[key]) for key in was if was[key] != wanted[key])


def ports_made(port: GuestPort) -> frozenset[Ref]:
    """Name all that a guest's port is made of in Neutron, with what comes tagged over it."""
    tagged = (Ref("port", subport_name(port.name, subport.vlan)) for subport in port.file.trunk)
    return frozenset((Ref("port", port.name), *tagged))


def _nics(lab: LabFile, guest: str, linked: Ends) -> dict[Nic, Made]:
    return dict(_each(lab, guest, linked))


def _each(lab: LabFile, guest: str, linked: Ends) -> Iterator[tuple[Nic, Made]]:
    for port in lab.guests[guest].ports_of(guest):
        yield Nic(guest, port.device, port.name), OnNetwork(ports_made(port), port.file.nic)
    for device, interface in linked[guest].items():
        # Which it is among the guest's changes with others, and says nothing of it; its frames' fate changes live.
        rest = {"index": 0, "sent": Conditions(), "received": Conditions()}
        yield Nic(guest, device), interface.model_copy(update=rest)


def _conditions(lab: LabFile, guest: str, linked: Ends) -> dict[Nic, tuple[Conditions, Conditions]]:
    """Say what befalls the frames of a guest's interfaces."""
    ports = {Nic(guest, port.device, port.name): of_port(port.file) for port in lab.guests[guest].ports_of(guest)}
    return ports | {Nic(guest, device): (each.sent, each.received) for device, each in linked[guest].items()}
