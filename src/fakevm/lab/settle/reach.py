"""What cannot be there because a host is not in a physical network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fakevm.model.labfile import LabFile
from fakevm.model.remark import Remark


def wrong(lab: LabFile, *, routed_by_agents: bool) -> Iterator[Remark]:
    """Find networks that no host is in, guests on hosts that are not in theirs, routers that lead nowhere."""
    yield from _networks(lab)
    yield from _guests(lab)
    yield from _segments(lab)
    if routed_by_agents:
        yield from _ways_out(lab)


def _hosts_in(lab: LabFile, physical_network: str) -> list[str]:
    in_it = {name: host.physical_networks for name, host in lab.hosts.items()}
    return [name for name, own in in_it.items() if own is None or physical_network in own]


def _networks(lab: LabFile) -> Iterator[Remark]:
    for name, net in lab.networks.items():
        for piece in net.pieces:
            if piece.physical_network and not _hosts_in(lab, piece.physical_network):
                what = f"no host is in the physical network {piece.physical_network!r}"
                at = ("networks", name, *(piece.at or ("physical_network",)))
                yield Remark(what, at, f"Name it in 'physical_networks' of a host: {_some(lab.hosts)}.")


def _guests(lab: LabFile) -> Iterator[Remark]:
    for name, guest in lab.guests.items():
        host = lab.home(name)
        for network in sorted(guest.networks):
            if host in lab.hosts and not lab.reaches(host, network):
                fitting = [h for h, file in lab.hosts.items() if "compute" in file.roles and lab.reaches(h, network)]
                hint = f"These are: {_some(fitting)}." if fitting else ""
                yield Remark(f"the host {host!r} is not in a physical network of {network!r}", ("guests", name), hint)


def _segments(lab: LabFile) -> Iterator[Remark]:
    """A host is in one segment of a network (29.0.0, HostConnectedToMultipleSegments): else no address is chosen."""
    for name, net in lab.networks.items():
        for host in lab.hosts if net.segments else ():
            both = [physical for physical in net.segments if host in _hosts_in(lab, physical)]
            if len(both) > 1:
                what = f"the host {host!r} is in {len(both)} segments of the network: {', '.join(both)}"
                hint = f"Say in which physical networks it is: hosts.{host}.physical_networks."
                yield Remark(what, ("networks", name, "segments"), hint)


def _ways_out(lab: LabFile) -> Iterator[Remark]:
    """The scheduler of routers does not ask for physical networks (29.0.0, neutron/scheduler/l3_agent_scheduler.py)."""
    routing = [name for name, host in lab.hosts.items() if "l3" in host.roles and host.l3_mode != "dvr"]
    for name, router in lab.routers.items():
        way = router.external_gateway
        away = [host for host in routing if way and way.network in lab.networks and not lab.reaches(host, way.network)]
        if way and away:
            what = f"the router may be on {', '.join(away)}, which is not in the physical network of {way.network!r}"
            yield Remark(what, ("routers", name, "external_gateway"))


def _some(names: Iterable[str]) -> str:
    return ", ".join(names)
