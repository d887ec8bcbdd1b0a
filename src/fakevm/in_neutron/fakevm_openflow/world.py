"""What the controller knows: the ports that Neutron told of, and the switches that obey."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

#: the device of every switch through which it reaches all others (VXLAN, the flow says which one)
TUNNEL = "vxlan"
# Neutron and os-vif name devices by three letters (tap, qvo, qr-, qg-, ha-…) and the beginning of the port's id
# (neutron_lib.constants).
_PREFIX, _CUT = 3, 14


def uplink(physical_network: str) -> str:
    """Name the device through which a switch reaches a physical network (as fakevm.names.physical_port does)."""
    return f"qfo{physical_network}"[:15]


class Segment(NamedTuple):
    """A network as it is carried; ``kind`` is vxlan, vlan or flat, ``number`` the VNI or the VLAN's id."""

    network: str
    kind: str
    physical_network: str = ""
    number: int = 0


@dataclass(frozen=True)
class Port:
    """A port that Neutron told of: ``host`` and ``segment`` are of its active binding (None: unbound)."""

    id: str
    mac: str
    host: str
    segment: Segment | None
    status: str
    revision: int


@dataclass(frozen=True)
class Switch:
    """The br-int of a host; ``address`` is for tunnels to it, ``devices`` maps names to OpenFlow's port numbers."""

    host: str
    address: str
    devices: Mapping[str, int]

    @cached_property
    def uplinks(self) -> list[str]:
        """Name its devices that lead to physical networks."""
        return sorted(name for name in self.devices if name.startswith(uplink("")))


@dataclass(frozen=True)
class World:
    """Everything at one moment: ports by id, switches by host."""

    ports: Mapping[str, Port]
    switches: Mapping[str, Switch]

    @property
    def absent(self) -> set[str]:
        """Name the hosts that have ports, but whose switches are not here."""
        return {port.host for port in self.ports.values() if port.host} - set(self.switches)

    @cached_property
    def plugged(self) -> dict[str, dict[str, int]]:
        """Map each port that is plugged to the hosts where it is, and its number there: two while it is moved live."""
        starts = {port.id[: _CUT - _PREFIX]: port.id for port in self.ports.values()}
        found: dict[str, dict[str, int]] = {}
        for switch in self.switches.values():
            for device, number in switch.devices.items():
                if port := starts.get(device[_PREFIX:]):
                    found.setdefault(port, {})[switch.host] = number
        return found

    @cached_property
    def segments(self) -> dict[Segment, list[Port]]:
        """Map each segment to its ports that are plugged somewhere, in the order of their ids."""
        found: dict[Segment, list[Port]] = {}
        for identity in sorted(self.plugged):
            port = self.ports[identity]
            if port.segment:
                found.setdefault(port.segment, []).append(port)
        return found
