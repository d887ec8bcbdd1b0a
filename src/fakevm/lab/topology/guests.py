"""The ports of a lab file's guests as Neutron's resources, as Nova makes them: not bound yet, nor owned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fakevm import names
from fakevm.control.binding import hostname
from fakevm.model.labfile import GuestFile, LabFile, PortFile, dhcp_option
from fakevm.model.labfile.port import PORT, Subport, described, pairs
from fakevm.model.labfile.unbound_port import UnboundPortFile
from fakevm.model.resource import Kind, Ref, Resource

KINDS = (
    PORT,
    Kind(
        "trunk",
        "trunks",
        "/trunks",
        "trunk",
        extension="trunk",
        compared=("sub_ports", "admin_state_up"),
    ),
)


def subport_name(port: str, vlan: int) -> str:
    """Name the port of a network that comes tagged."""
    return f"{port}-vlan{vlan}"


def ports(lab: LabFile, guest: str, wanted: GuestFile, *, named: bool) -> Iterator[Resource]:
    """Describe a guest's ports, those of trunks among them.

    Where ports are ``named`` they are called as their guest, as by Nova, or as the file says.
    """
    server = names.instance_id(lab.name, guest)
    for name, _, _, port in wanted.ports_of(guest):
        called = {"dns_name": port.dns_name or hostname(guest)} if named else {}
        yield Resource(Ref("port", name), _port(port, lab.ports) | called | {"device_id": server})
        for subport in port.trunk:
            yield Resource(Ref("port", subport_name(name, subport.vlan)), _common(subport))


def trunks(guest: str, wanted: GuestFile) -> Iterator[Resource]:
    """Describe the trunks: one for each port over which tagged networks come. They must be there before it is bound."""
    for name, _, _, port in wanted.ports_of(guest):
        if port.trunk:
            subports = [
                {
                    "port_id": Ref("port", subport_name(name, subport.vlan)),
                    "segmentation_type": "vlan",
                    "segmentation_id": subport.vlan,
                }
                for subport in port.trunk
            ]
            yield Resource(Ref("trunk", name), {"port_id": Ref("port", name), "sub_ports": subports})


def _port(wanted: PortFile, unbound: Mapping[str, UnboundPortFile]) -> dict[str, Any]:
    attributes = _common(wanted)
    if wanted.mac:
        attributes["mac_address"] = wanted.mac
    if wanted.allowed_address_pairs:
        attributes["allowed_address_pairs"] = [
            pair for one in wanted.allowed_address_pairs for pair in pairs(one, unbound)
        ]
    if options := dhcp_option.described(wanted.dhcp_options, wanted.dhcpv6_options):
        attributes["extra_dhcp_opts"] = options
    if wanted.qos_policy:
        attributes["qos_policy_id"] = Ref("QoS policy", wanted.qos_policy)
    return attributes


def _common(wanted: PortFile | Subport) -> dict[str, Any]:
    return described(wanted.network, wanted.fixed_ips, wanted.security_groups, port_security=wanted.port_security)
