"""Port forwardings: ports of a floating IP that lead to ports of guests."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from fakevm.model.resource import NOTHING, AddressOf, Elsewhere, Kind, Ref, Resource, Seen

from .port_choice import PortChoice
from .security import PortRange

SERVICE = "port_forwarding"


def _words(forwarding: Seen) -> str:
    """Say which of the floating IP's ports they are."""
    first, _, last = forwarding["external_port_range"].partition(":")
    return f"{forwarding['protocol']} {first}" if first == last else f"{forwarding['protocol']} {first}-{last}"


FORWARDING = Kind(
    "port forwarding",
    "port forwardings",
    "/floatingips/{parent}/port_forwardings",
    "port_forwarding",
    label="",
    part_of="floating IP",
    extension="floating-ip-port-forwarding",
    changeable=dict.fromkeys(("internal_port_range", "internal_port_id", "internal_ip_address"), NOTHING),
    # PortForwardingPlugin._validate_ranges compares what a change says alone (29.0.0).
    beside={"internal_port_range": "external_port_range"},
    # It takes any two ranges of a protocol for the same (_check_port_forwarding_update: external_port is None, 29.0.0).
    fixed=lambda wanted: len(set(wanted["external_port_range"].split(":"))) > 1,
    # PortForwardingPlugin._check_port_collisions (29.0.0).
    exclusive=lambda wanted: (
        wanted["protocol"],
        wanted["internal_port_id"],
        wanted["internal_ip_address"],
        wanted["internal_port_range"],
    ),
    # With the floating IP Neutron does not tell the ranges (PortForwardingPlugin._extend_floatingip_dict, 29.0.0).
    elsewhere=Elsewhere("/floatingips/{parent}/port_forwardings", {}, Elsewhere.called(_words)),
)


class PortForwarding(PortChoice):
    """Ports of the floating IP that lead to a port's: as many of both, or all to one."""

    protocol: Literal["tcp", "udp"] = Field(default="tcp", description="`tcp` or `udp`.")
    ports: PortRange = Field(description="Ports of the floating IP: one (2022), or a range (`8000-8010`).")
    to_ports: PortRange | None = Field(
        default=None, description="Where they lead: a port for all, or a range as long; by default the same."
    )

    @property
    def inside(self) -> tuple[int, int]:
        """The ports that they lead to."""
        return self.to_ports or self.ports

    @property
    def words(self) -> str:
        """Say which of the floating IP's ports they are."""
        return _words({"protocol": self.protocol, "external_port_range": _range(self.ports)})

    @model_validator(mode="after")
    def _fits(self) -> PortForwarding:
        if not self.is_some:
            raise ValueError("give the guest, or the port, that it leads to")
        if any(first > last for first, last in (self.ports, self.inside)):
            raise ValueError("the first port must not be above the last")
        # PortForwardingPlugin._validate_ranges (29.0.0).
        (first, last), (low, high) = self.ports, self.inside
        if high > low and high - low != last - first:
            raise ValueError("to_ports must be as many as ports, or one")
        return self

    def described(self, floating_ip: Ref, lab: Any) -> Resource:
        """Describe the forwarding to Neutron; ``lab`` is the file that it is in."""
        port = Ref("port", self.port_name(lab))
        attributes = {
            "protocol": self.protocol,
            "external_port_range": _range(self.ports),
            "internal_port_range": _range(self.inside),
            "internal_port_id": port,
            "internal_ip_address": self.fixed_ip or AddressOf(port),
        }
        return Resource(Ref(FORWARDING.name, f"{floating_ip.name}: {self.words}"), attributes, parent=floating_ip)


def _range(ports: tuple[int, int]) -> str:
    return f"{ports[0]}:{ports[1]}"
