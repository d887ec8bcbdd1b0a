"""What checks of routers look at: their daemons' words, their kernels' routes, who is at the other ends of links."""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import Callable, Iterator

from fakevm import tool
from fakevm.errors import InvalidInput
from fakevm.lab.place import Places
from fakevm.lab.topology.routing.router import router_ids
from fakevm.model.check import Observed
from fakevm.model.labfile import LabFile
from fakevm.model.labfile import check as files
from fakevm.model.labfile.routing import RoutingFile
from fakevm.probe import neighbour
from fakevm.probe.base import Probe, Run
from fakevm.probe.bgp import BgpProbe
from fakevm.probe.neighbour import NeighbourProbe
from fakevm.probe.ospf import OspfProbe
from fakevm.probe.route import RouteProbe

from .helper import Helper

# Asks a guest's daemon, by its program and what is asked.
_ASKED = {
    "ospf": {"frr": "show ip ospf neighbor json", "bird": "show ospf neighbors"},
    "bgp": {"frr": "show bgp summary json", "bird": "show protocols"},
}
Far = dict[str, tuple[str, str]]


def ospf(lab: LabFile, check: files.OspfCheck) -> Probe:
    """Ask for neighbours by OSPF; by default there is one at each link to another router."""
    routing = _routing(lab, check.source)
    far = [guest for guest, _ in _far(lab, check.source).values() if lab.guests[guest].routing]
    return OspfProbe(_ask(routing, check.source, "ospf"), len(far) if check.neighbours is None else check.neighbours)


def bgp(lab: LabFile, check: files.BgpCheck) -> Probe:
    """Ask for neighbours by BGP; by default there are those that the file names."""
    routing = _routing(lab, check.source)
    wanted = check.neighbours
    if wanted is None:
        if routing.router.bgp is None:
            what = f"nobody knows how many neighbours {check.source} is to have: its configuration is a file of its own"
            raise InvalidInput(what, hint="Give the check a number: neighbours: 2")
        wanted = len(routing.router.bgp.neighbours)
    return BgpProbe(_ask(routing, check.source, "bgp"), wanted)


def route(lab: LabFile, places: Places, check: files.RouteCheck) -> Probe:
    """Look for a route to a guest, an address or a network, by a device, a gateway, or a guest at a link."""
    to = _address(lab, places, check)
    via = {device for device, (guest, _) in _far(lab, check.source).items() if guest == check.via}
    return RouteProbe(to, via or ({check.via} if check.via else set()), check.ways)


def neighbours(lab: LabFile, places: Places, check: files.NeighbourCheck, run: Callable[[Probe], Run]) -> Observed:
    """Have all guests at the other ends of a guest's links speak, and hear who does."""
    wanted = _far(lab, check.source)
    if not wanted:
        raise InvalidInput(f"{check.source} is at the end of no link")
    probe = NeighbourProbe(check.source, wanted)
    with contextlib.ExitStack() as stack:
        for guest in sorted({guest for guest, _ in wanted.values()} - {check.source}):
            stack.enter_context(Helper(places.command(guest, neighbour.speaker(guest)), neighbour.READY))
        return probe.read(run(probe))


# -- within ------------------------------------------------------------------------------------------------------


def _routing(lab: LabFile, guest: str) -> RoutingFile:
    routing = lab.guests[guest].routing
    if routing is None:
        raise InvalidInput(f"{guest} is no router", hint="Give it `routing`.")
    return routing


def _ask(routing: RoutingFile, guest: str, protocol: str) -> list[str]:
    found, question = tool.find(routing.program), _ASKED[protocol][routing.program]
    if routing.program == "frr":
        return [*found.command("vtysh"), "-N", guest, "-c", question]
    return [*found.command("birdc"), "-r", "-s", f"/run/bird/{guest}.ctl", *question.split()]


def _far(lab: LabFile, guest: str) -> Far:
    """Say who is at the other end of each of a guest's links, by the guest's devices."""
    return dict(_each_far(lab, guest))


def _each_far(lab: LabFile, guest: str) -> Iterator[tuple[str, tuple[str, str]]]:
    for link in lab.links.values():
        ends = link.interfaces
        for near, far in ((ends[0], ends[1]), (ends[1], ends[0])):
            if near[0] == guest and far[0] in lab.guests:
                yield near[1], far


def _address(lab: LabFile, places: Places, check: files.RouteCheck) -> str:
    """Give what a route is to lead to: of a router of a few words its loopback."""
    if check.target not in lab.guests:
        return str(ipaddress.ip_network(check.target)) if "/" in check.target else check.target
    routing = lab.guests[check.target].routing
    if routing and not routing.router.config:
        return router_ids(lab)[check.target]
    return places.address(check.target, check.source, check.family)
