"""The ends of a lab file's links, as interfaces of its guests."""

from __future__ import annotations

from typing import Literal

from fakevm import names
from fakevm.model.interface import Interface, LinkEnd
from fakevm.model.labfile import LabFile, LinkEndFile

_ENDS: tuple[Literal["a", "b"], ...] = ("a", "b")

# By guest, then by the name of the device.
Ends = dict[str, dict[str, Interface]]


def ends(lab: LabFile) -> Ends:
    """Describe the interfaces at links' ends: they come after a guest's ports, in the order of the links."""
    found: Ends = {name: {} for name in lab.guests}
    for name, link in lab.links.items():
        for end, (guest, device) in zip(_ENDS, link.interfaces, strict=True):
            wanted = lab.guests[guest].interfaces.get(device)
            file = wanted if isinstance(wanted, LinkEndFile) else LinkEndFile()
            found[guest][device] = Interface(
                name=device,
                index=len(lab.guests[guest].on_networks) + len(found[guest]),
                mac_address=file.mac or names.mac_address(lab.name, guest, device),
                mtu=file.mtu or link.mtu,
                addresses=file.addresses,
                attachment=LinkEnd(link=name, end=end),
            )
    return found
