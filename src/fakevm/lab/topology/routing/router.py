"""What a routing daemon has to know of a guest: its id, and its links."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import NamedTuple

from fakevm.lab.topology.links import Ends
from fakevm.model.interface import Interface
from fakevm.model.labfile import LabFile
from fakevm.model.labfile.routing import BgpFile, DaemonFile, OspfFile

# The loopbacks of a lab's routers.
_IDS = ipaddress.IPv4Network("10.255.0.0/16")


class Link(NamedTuple):
    """An interface that OSPF runs on; ``borrows``: it has no address of its own, and takes the loopback's."""

    name: str
    borrows: bool
    point_to_point: bool


class Router(NamedTuple):
    """A guest that is a router, with what its file says; ``id`` is its loopback's address, too."""

    name: str
    id: str
    links: tuple[Link, ...]
    ospf: OspfFile | None
    bgp: BgpFile | None

    @property
    def borrowing(self) -> tuple[str, ...]:
        """The interfaces that have no address of their own."""
        return tuple(link.name for link in self.links if link.borrows)


def router_ids(lab: LabFile) -> dict[str, str]:
    """Give each router of a file its id: its own, or the next in the order of the file."""
    routers = {name: guest.routing.router for name, guest in lab.guests.items() if guest.routing}
    taken = {router.router_id for router in routers.values()}
    free = (str(address) for address in _IDS.hosts() if str(address) not in taken)
    return {name: router.router_id or next(free) for name, router in routers.items()}


def described(lab: LabFile, guest: str, wanted: DaemonFile, ids: dict[str, str], linked: Ends) -> Router:
    """Put together what is said of one guest that is a router."""
    own = linked[guest]
    links = tuple(_links(lab, guest, wanted.ospf, own)) if wanted.ospf else ()
    return Router(guest, ids[guest], links, wanted.ospf, wanted.bgp)


def _links(lab: LabFile, guest: str, ospf: OspfFile, own: dict[str, Interface]) -> Iterator[Link]:
    for name in own if ospf.interfaces is None else ospf.interfaces:
        at_link = name in own
        addresses = own[name].addresses if at_link else ()
        has_own = any(ipaddress.ip_interface(address).version == 4 for address in addresses)
        yield Link(name, borrows=at_link and not has_own, point_to_point=at_link)
