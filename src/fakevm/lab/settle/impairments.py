"""Impairments and shapes that cannot be."""

from __future__ import annotations

from collections.abc import Iterator

from fakevm.lab.topology.conditions import of_link, of_port
from fakevm.lab.topology.links import ends
from fakevm.model.impairment import Conditions
from fakevm.model.interface import LinkEnd
from fakevm.model.labfile import LabFile, LinkEndFile
from fakevm.model.labfile.impairment import conditions
from fakevm.model.remark import Location, Remark

# Of a network that does not say: no frame of Neutron's default networks is longer.
_MTU = 1500


def wrong(lab: LabFile) -> Iterator[Remark]:
    """Find what is wrong with what befalls the frames of links, and of guests' interfaces."""
    for name, link in lab.links.items():
        guests = [guest for guest, _ in link.interfaces]
        for key, said in (("impair", link.impair.source), ("shape", link.shape.source)):
            for guest in (guest for guest in said if guest not in guests):
                what = f"{guest!r} is at no end of the link: {' and '.join(guests)} are"
                yield Remark(what, ("links", name, key, "from", guest))
        for guest in guests:
            yield from _impossible(of_link(link, guest), link.mtu, f"what {guest} sends", ("links", name))
    for guest, file in lab.guests.items():
        for port in file.ports_of(guest):
            network = lab.networks.get(port.file.network)
            at = ("guests", guest, *port.at)
            yield from _both(of_port(port.file), (network and network.mtu) or _MTU, at)
    yield from _at_links(lab)


def _at_links(lab: LabFile) -> Iterator[Remark]:
    for guest, interfaces in ends(lab).items():
        for device, interface in interfaces.items():
            file = lab.guests[guest].interfaces.get(device)
            if not isinstance(file, LinkEndFile):
                continue
            at = ("guests", guest, "interfaces", device)
            own = conditions(file.impair, file.shape)
            yield from _both(own, interface.mtu, at)
            end = interface.attachment
            if isinstance(end, LinkEnd) and own[0] and of_link(lab.links[end.link], guest):
                what = f"the link {end.link!r} says already what befalls the frames that it sends"
                yield Remark(what, at, "Say it in one place.")


def _both(found: tuple[Conditions, Conditions], mtu: int, at: Location) -> Iterator[Remark]:
    for said, which in zip(found, ("what it sends", "what it receives"), strict=True):
        yield from _impossible(said, mtu, which, at)


def _impossible(found: Conditions, mtu: int, which: str, at: Location) -> Iterator[Remark]:
    if problem := found.impair.problem():
        yield Remark(f"{which}: {problem}", (*at, "impair"))
    for problem in found.shape.problems(mtu):
        yield Remark(f"{which}: {problem}", (*at, "shape"))
