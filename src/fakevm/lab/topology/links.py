"""The ends of a lab file's links, and the places in its bridges, as interfaces of its guests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from fakevm import names
from fakevm.model.interface import BridgePort, Interface, LinkEnd
from fakevm.model.labfile import LabFile, LinkEndFile
from fakevm.model.labfile.impairment import conditions

from .conditions import of_link

_ENDS: tuple[Literal["a", "b"], ...] = ("a", "b")

# By guest, then by the name of the device.
Ends = dict[str, dict[str, Interface]]


def ends(lab: LabFile) -> Ends:
    """Describe the interfaces at links' ends, in the order of the links, then those in bridges.

    They come after a guest's ports.
    """
    found: Ends = {name: {} for name in lab.guests}
    for guest, device, place, mtu in _places(lab):
        wanted = lab.guests[guest].interfaces.get(device)
        file = wanted if isinstance(wanted, LinkEndFile) else LinkEndFile()
        sent, received = conditions(file.impair, file.shape)
        if isinstance(place, LinkEnd):
            sent = of_link(lab.links[place.link], guest) or sent
        found[guest][device] = Interface(
            name=device,
            index=len(lab.guests[guest].on_networks) + len(found[guest]),
            mac_address=file.mac or names.mac_address(lab.name, guest, device),
            mtu=file.mtu or mtu,
            addresses=file.addresses,
            attachment=place,
            sent=sent,
            received=received,
        )
    return found


def _places(lab: LabFile) -> Iterator[tuple[str, str, LinkEnd | BridgePort, int]]:
    """Give each place with the guest and the device that it is for, and the link's or the bridge's MTU (bytes)."""
    for name, link in lab.links.items():
        for end, (guest, device) in zip(_ENDS, link.interfaces, strict=False):
            yield guest, device, LinkEnd(link=name, end=end), link.mtu
    for guest, wanted in lab.guests.items():
        for device, file in wanted.interfaces.items():
            if isinstance(file, LinkEndFile) and file.bridge:
                owner = f"{guest}:{device}"
                yield guest, device, BridgePort(bridge=file.bridge, owner=owner), lab.bridges[file.bridge].mtu
