"""The ports of a lab file's guests as Neutron's resources, as Nova makes them: not bound yet, nor owned."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fakevm import names
from fakevm.control.binding import hostname
from fakevm.control.neutron import is_for_a_vm
from fakevm.model.labfile import GuestFile, PortFile
from fakevm.model.labfile.port import FixedIpFile, Subport
from fakevm.model.resource import Kind, Ref, Resource

KINDS = (
    Kind(
        "port",
        "ports",
        "/ports",
        "port",
        changeable={
            "security_groups": [Ref("security group", "default")],
            "allowed_address_pairs": [],
            "qos_policy_id": None,
            "dns_name": "",
        },
        compared=(
            "mac_address",
            "fixed_ips",
            "security_groups",
            "port_security_enabled",
            "allowed_address_pairs",
            "qos_policy_id",
            "dns_name",
            "admin_state_up",
        ),
        # Of a routed network it has none until it is bound.
        completed=lambda seen: ("fixed_ips",) if seen.get("ip_allocation") == "deferred" else (),
        is_neutrons=lambda seen: not is_for_a_vm(dict(seen)),
    ),
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


def ports(lab: str, guest: str, wanted: GuestFile, *, named: bool) -> Iterator[Resource]:
    """Describe a guest's ports, those of trunks among them; ``lab`` is the lab's name.

    Where ports are ``named`` they are called as their guest, as by Nova, or as the file says.
    """
    server = names.instance_id(lab, guest)
    for name, _, _, port in wanted.ports_of(guest):
        called = {"dns_name": port.dns_name or hostname(guest)} if named else {}
        yield Resource(Ref("port", name), _port(port) | called | {"device_id": server})
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


def _port(wanted: PortFile) -> dict[str, Any]:
    attributes = _common(wanted)
    if wanted.mac:
        attributes["mac_address"] = wanted.mac
    if wanted.allowed_address_pairs:
        attributes["allowed_address_pairs"] = [
            {"ip_address": pair.address, **({"mac_address": pair.mac} if pair.mac else {})}
            for pair in wanted.allowed_address_pairs
        ]
    if wanted.qos_policy:
        attributes["qos_policy_id"] = Ref("QoS policy", wanted.qos_policy)
    return attributes


def _common(wanted: PortFile | Subport) -> dict[str, Any]:
    attributes: dict[str, Any] = {"network_id": Ref("network", wanted.network)}
    if wanted.fixed_ips:
        attributes["fixed_ips"] = [_fixed_ip(fixed) for fixed in wanted.fixed_ips]
    if wanted.security_groups is not None:
        attributes["security_groups"] = [Ref("security group", group) for group in wanted.security_groups]
    if wanted.port_security is not None:
        attributes["port_security_enabled"] = wanted.port_security
        if not wanted.port_security:
            attributes["security_groups"] = []
    return attributes


def _fixed_ip(wanted: FixedIpFile) -> dict[str, Any]:
    subnet = {"subnet_id": Ref("subnet", wanted.subnet)} if wanted.subnet else {}
    return subnet | ({"ip_address": wanted.address} if wanted.address else {})
