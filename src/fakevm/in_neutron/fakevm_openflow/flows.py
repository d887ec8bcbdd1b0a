"""From what is known to the flows of a switch: pure.

Table 0 finds the network of a frame (and puts it in the metadata: the first 60 bits of the network's id), by the port
that it came from, or by its VNI or VLAN. Table 1 has what guests of this host send, table 2 what comes from elsewhere:
that goes to ports of this host only, so nothing runs in circles. What no flow knows is dropped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from .world import TUNNEL, Port, Segment, Switch, World, uplink

CLASSIFY, FROM_GUEST, FROM_ELSEWHERE = 0, 1, 2
# Group addresses: broadcast and multicast (IEEE 802, the lowest bit of the first byte).
GROUP = ("01:00:00:00:00:00", "01:00:00:00:00:00")
_UNTAGGED, _TAGGED = 0, 0x1000

#: ("output", port number) | ("set", field, value) | ("push_vlan",) | ("pop_vlan",)
Action = tuple[Any, ...]


class Flow(NamedTuple):
    """A flow; ``match`` are fields as os-ken names them. ``metadata`` is written, ``goto`` is the next table."""

    table: int
    priority: int
    match: tuple[tuple[str, Any], ...] = ()
    actions: tuple[Action, ...] = ()
    metadata: int | None = None
    goto: int | None = None

    @property
    def key(self) -> tuple[Any, ...]:
        """What a switch tells flows apart by."""
        return (self.table, self.priority, self.match)


def flows(world: World, host: str) -> list[Flow]:
    """Give all flows of a host's switch."""
    found = [Flow(table, 0) for table in (CLASSIFY, FROM_GUEST, FROM_ELSEWHERE)]
    for segment, ports in world.segments.items():
        if any(host in world.plugged[port.id] for port in ports):
            found += _SegmentOnHost(world, world.switches[host], segment, ports).flows()
    return found


class _SegmentOnHost:
    """A network's flows on one switch that has ports of it."""

    def __init__(self, world: World, switch: Switch, segment: Segment, ports: list[Port]) -> None:
        self._plugged = world.plugged
        self._switches = world.switches
        self._switch = switch
        self._segment = segment
        self._ports = ports
        self._here = {p: self._plugged[p.id][switch.host] for p in ports if switch.host in self._plugged[p.id]}
        self._key = int(segment.network.replace("-", "")[:15], 16)

    def flows(self) -> Iterator[Flow]:
        known = (("metadata", self._key),)
        yield from self._entries()
        for port in self._ports:
            yield Flow(FROM_GUEST, 100, (*known, ("eth_dst", port.mac)), self._towards(port))
        for port, number in self._here.items():
            yield Flow(FROM_ELSEWHERE, 100, (*known, ("eth_dst", port.mac)), (("output", number),))
        everybody = _outputs(self._here.values())
        away = {host for port in self._ports for host in self._plugged[port.id]} - {self._switch.host}
        yield Flow(FROM_GUEST, 90, (*known, ("eth_dst", GROUP)), (*everybody, *self._away(away)))
        yield Flow(FROM_ELSEWHERE, 90, (*known, ("eth_dst", GROUP)), everybody)
        if self._segment.kind != "vxlan":
            # A physical network has inhabitants that Neutron does not know of: a router outside, say.
            yield Flow(FROM_GUEST, 10, known, self._away(()))

    def _entries(self) -> Iterator[Flow]:
        for number in self._here.values():
            # A tag of the guest's own must not carry its frame into another network.
            match = (("in_port", number), ("vlan_vid", _UNTAGGED))
            yield Flow(CLASSIFY, 100, match, metadata=self._key, goto=FROM_GUEST)
        device = TUNNEL if self._segment.kind == "vxlan" else uplink(self._segment.physical_network)
        if device in self._switch.devices:
            field, undone = {
                "vxlan": (("tunnel_id", self._segment.number), ()),
                "vlan": (("vlan_vid", _TAGGED | self._segment.number), (("pop_vlan",),)),
                "flat": (("vlan_vid", _UNTAGGED), ()),
            }[self._segment.kind]
            match = (("in_port", self._switch.devices[device]), field)
            yield Flow(CLASSIFY, 100, match, undone, metadata=self._key, goto=FROM_ELSEWHERE)

    def _towards(self, port: Port) -> tuple[Action, ...]:
        """Reach a port on all hosts where it is plugged: while it is moved, only one of them has it awake."""
        places = self._plugged[port.id]
        here = _outputs([self._here[port]]) if port in self._here else ()
        away = set(places) - {self._switch.host}
        return (*here, *(self._away(away) if away else ()))

    def _away(self, hosts: Iterable[str]) -> tuple[Action, ...]:
        """Send on to other hosts: with tunnels one copy to each, else one copy for all."""
        device = TUNNEL if self._segment.kind == "vxlan" else uplink(self._segment.physical_network)
        if device not in self._switch.devices:
            return ()
        output = ("output", self._switch.devices[device])
        if self._segment.kind == "flat":
            return (output,)
        if self._segment.kind == "vlan":
            return (("push_vlan",), ("set", "vlan_vid", _TAGGED | self._segment.number), output)
        found: list[Action] = [("set", "tunnel_id", self._segment.number)] if hosts else []
        for host in sorted(hosts):
            found += [("set", "tun_ipv4_dst", self._switches[host].address), output]
        return tuple(found)


def _outputs(numbers: Iterable[int]) -> tuple[Action, ...]:
    return tuple(("output", number) for number in sorted(numbers))
