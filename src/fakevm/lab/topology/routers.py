"""Routers and floating IPs of a lab file as Neutron's resources."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fakevm.model.labfile import FloatingIpFile, LabFile, RouterFile

from .guests import port_name
from .resource import Ref, Resource


def router(name: str, wanted: RouterFile) -> Resource:
    """Describe a router with its way out."""
    # Said only when wished for: not every backend knows these words.
    attributes: dict[str, Any] = {
        word: True for word, wish in (("ha", wanted.ha), ("distributed", wanted.distributed)) if wish
    }
    if gateway := wanted.external_gateway:
        attributes["external_gateway_info"] = {
            "network_id": Ref("network", gateway.network),
            "enable_snat": gateway.snat,
            **({"external_fixed_ips": [{"ip_address": a} for a in gateway.addresses]} if gateway.addresses else {}),
        }
    return Resource(Ref("router", name), attributes)


def legs(lab: LabFile, name: str, wanted: RouterFile) -> Iterator[Resource]:
    """Describe the ports of those interfaces that have another address than the subnet's gateway."""
    network_of = {subnet: network for network, file in lab.networks.items() for subnet in file.subnets}
    for interface in wanted.interfaces:
        if interface.address:
            fixed = {"subnet_id": Ref("subnet", interface.subnet), "ip_address": interface.address}
            attributes = {"network_id": Ref("network", network_of[interface.subnet]), "fixed_ips": [fixed]}
            yield Resource(Ref("port", f"{name}-{interface.subnet}"), attributes)


def interfaces(name: str, wanted: RouterFile) -> Iterator[Resource]:
    """Describe a router's interfaces."""
    for interface in wanted.interfaces:
        leg = f"{name}-{interface.subnet}"
        attributes = (
            {"port_id": Ref("port", leg)} if interface.address else {"subnet_id": Ref("subnet", interface.subnet)}
        )
        yield Resource(Ref("router interface", leg), attributes, parent=Ref("router", name))


def routes(name: str, wanted: RouterFile) -> Iterator[Resource]:
    """Describe a router's own routes: their next hops must be on interfaces that are there already."""
    if wanted.routes:
        attributes = {"routes": [route.model_dump() for route in wanted.routes]}
        yield Resource(Ref("router routes", name), attributes, parent=Ref("router", name))


def floating_ip(lab: LabFile, name: str, wanted: FloatingIpFile) -> Resource:
    """Describe a floating IP."""
    ports = lab.guests[wanted.guest].ports
    index = next((i for i, port in enumerate(ports) if port.network == wanted.port), 0)
    attributes: dict[str, Any] = {
        "floating_network_id": Ref("network", wanted.network),
        "port_id": Ref("port", port_name(wanted.guest, index)),
    }
    if wanted.address:
        attributes["floating_ip_address"] = wanted.address
    return Resource(Ref("floating IP", name), attributes)
