"""Interfaces and links of guests that cannot be."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from fakevm import names
from fakevm.link.carriers import CARRIERS
from fakevm.link.carriers.base import Carrier, Far, split
from fakevm.model.labfile import GuestFile, LabFile, LinkEndFile, LinkFile, PortFile
from fakevm.model.labfile.link import DIRECT
from fakevm.model.remark import Location, Remark

from .networks import usable

# RFC 8200, section 5: the kernel has no IPv6 on a device with less.
_LEAST_MTU_OF_IPV6 = 1280
# A datagram has room for so much, with what is before a packet in its frame and the carrier's own.
_MOST_CARRIED = 65000
End = tuple[str, str]


def wrong(lab: LabFile) -> Iterator[Remark]:
    """Find what is wrong with the links of a file, and with its guests' interfaces."""
    taken: dict[End, str] = {}
    for name, link in lab.links.items():
        for index, end in enumerate(link.interfaces):
            at: Location = ("links", name, "ends", index) if len(link.ends) > 1 else ("links", name, "ends")
            yield from _end(lab, taken, name, end, at)
        yield from _carried(link, ("links", name))
        yield from _alike(lab, link)
    for guest, wanted in lab.guests.items():
        at = ("guests", guest)
        yield from _macs(wanted, at)
        yield from _tagged(wanted, {device for owner, device in taken if owner == guest}, at)
        for device, file in wanted.interfaces.items():
            if isinstance(file, LinkEndFile):
                yield from _interface(lab, file, taken.get((guest, device)), (*at, "interfaces", device))


def _end(lab: LabFile, taken: dict[End, str], name: str, end: End, at: Location) -> Iterator[Remark]:
    words, listed = ":".join(end), listed_end(lab, end)
    if end in taken:
        other = "the other end of this link" if taken[end] == name else f"an end of the link {taken[end]!r}"
        yield Remark(f"{words} is {other} already", at)
    elif isinstance(listed, PortFile):
        yield Remark(f"{words} is on the network {listed.network!r}: it cannot be the end of a link as well", at)
    taken.setdefault(end, name)


def _carried(link: LinkFile, at: Location) -> Iterator[Remark]:
    """Find what is wrong with what carries a link, and with the addresses of a far end that is not ours."""
    written = {key for key in ("local", "remote", "vni") if getattr(link, key) not in ("", None)}
    if not link.leads_out:
        for key in sorted(written):
            yield Remark(f"{key!r} is for a far end that is not ours, and both ends are", (*at, key))
    elif link.carrier == DIRECT:
        hint = "Name the other end, or a carrier that leads out of the lab: udp, tcp, multicast, vxlan."
        yield Remark(f"a link that {DIRECT} carries has two ends", (*at, "ends"), hint)
    else:
        yield from _far(link, CARRIERS[link.carrier], written, at)
    if link.is_carried and link.mtu > _MOST_CARRIED:
        yield Remark(f"{link.carrier} carries packets of at most {_MOST_CARRIED} bytes", (*at, "mtu"))


def _far(link: LinkFile, carrier: Carrier, written: set[str], at: Location) -> Iterator[Remark]:
    for key in sorted(written - carrier.takes):
        yield Remark(f"{key!r} says nothing to the carrier {link.carrier}", (*at, key))
    for either in carrier.needs:
        if not either & written:
            what = " or ".join(repr(key) for key in sorted(either))
            yield Remark(f"the carrier {link.carrier} needs {what} where the far end is not ours", (*at, "carrier"))
    for key in sorted(written & carrier.with_port):
        if not split(getattr(link, key))[1]:
            yield Remark(f"the port is missing: {getattr(link, key)}:7001", (*at, key))
    if "remote" in written and (said := carrier.wrong(Far(link.local, link.remote))):
        yield Remark(said, (*at, "remote"))


def listed_end(lab: LabFile, end: End) -> PortFile | LinkEndFile | None:
    """Give what the file says of the interface that a link ends at, if it says anything."""
    guest, device = end
    return lab.guests[guest].interfaces.get(device)


def _interface(lab: LabFile, file: LinkEndFile, link: str | None, at: Location) -> Iterator[Remark]:
    if file.bridge and link:
        yield Remark(f"it is an end of the link {link!r} already", (*at, "bridge"))
    place = lab.bridges.get(file.bridge) if file.bridge else lab.links.get(link or "")
    if place is None:
        what = "it is neither on a network, nor at the end of a link, nor in a bridge"
        yield Remark(what, at, "Give it a `network` or a `bridge`, or name it as an end in `links`.")
        return
    if file.mtu and file.mtu > place.mtu:
        yield Remark(f"the {'bridge' if file.bridge else 'link'} has an MTU of {place.mtu} only", (*at, "mtu"))
    if file.mac and not _is_of_one(file.mac):
        yield Remark(f"{file.mac} is no MAC address that a device can have: it is of many, or of none", (*at, "mac"))
    for index, address in enumerate(file.addresses):
        yield from _address(file.addresses[:index], address, file.mtu or place.mtu, (*at, "addresses", index))


def _address(before: tuple[str, ...], address: str, mtu: int, at: Location) -> Iterator[Remark]:
    given = ipaddress.ip_interface(address)
    if address in before:
        yield Remark(f"{address} is there already", at)
    wide = given.network.prefixlen < given.max_prefixlen - 1
    if given.is_multicast or given.is_unspecified or (wide and not usable(str(given.network), str(given.ip))):
        yield Remark(f"{address} is no address that an interface can have", at)
    if given.version == 6 and mtu < _LEAST_MTU_OF_IPV6:
        yield Remark(f"IPv6 needs an MTU of {_LEAST_MTU_OF_IPV6}, and this is {mtu}", at)


def _alike(lab: LabFile, link: LinkFile) -> Iterator[Remark]:
    """Find what both ends of a link have, though only one can."""
    if link.leads_out:
        return
    first, second = (listed_end(lab, end) for end in link.interfaces)
    if not isinstance(first, LinkEndFile) or not isinstance(second, LinkEndFile) or first is second:
        return
    (guest, device), other = link.interfaces[1], ":".join(link.interfaces[0])
    at: Location = ("guests", guest, "interfaces", device)
    if first.mac and first.mac == second.mac:
        yield Remark(f"{other}, at the other end of the link, has this MAC address, too", (*at, "mac"))
    there = {ipaddress.ip_interface(address).ip for address in first.addresses}
    for index, address in enumerate(second.addresses):
        if ipaddress.ip_interface(address).ip in there:
            yield Remark(f"{other}, at the other end of the link, has {address}, too", (*at, "addresses", index))


# -- of one guest ------------------------------------------------------------------------------------------------


def _macs(guest: GuestFile, at: Location) -> Iterator[Remark]:
    files: dict[tuple[str, int | str], PortFile | LinkEndFile] = {
        **{("ports", index): port for index, port in enumerate(guest.ports)},
        **{("interfaces", device): file for device, file in guest.interfaces.items()},
    }
    taken: dict[str, int | str] = {}
    for (key, name), file in files.items():
        if file.mac and taken.setdefault(file.mac, name) != name:
            other = "another port of this guest" if key == "ports" else f"the interface {taken[file.mac]!r}"
            yield Remark(f"{other} has this MAC address, too", (*at, key, name, "mac"))


def _tagged(guest: GuestFile, linked: set[str], at: Location) -> Iterator[Remark]:
    """Find devices of networks that come tagged which are called as another interface is."""
    taken = linked | guest.interfaces.keys()
    for port in guest.ports_of(""):
        for index, subport in enumerate(port.file.trunk):
            device = names.vlan(subport.vlan)
            if device in taken:
                what = f"its device in the guest is called {device!r}, and so is another one"
                yield Remark(what, (*at, *port.at, "trunk", index, "vlan"))
            taken.add(device)


def _is_of_one(mac: str) -> bool:
    """Tell whether a MAC address is of one device (is_valid_ether_addr)."""
    octets = bytes.fromhex(mac.replace(":", ""))
    return any(octets) and not octets[0] & 1
