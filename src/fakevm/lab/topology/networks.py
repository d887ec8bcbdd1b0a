"""Networks and subnets of a lab file as Neutron's resources."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fakevm.model.labfile import NetworkFile, SubnetFile

from .resource import Ref, Resource


def network(name: str, wanted: NetworkFile) -> Resource:
    """Describe a network; what the file leaves out is left to Neutron."""
    attributes: dict[str, Any] = {
        "provider:network_type": wanted.type,
        "provider:physical_network": wanted.physical_network,
        "provider:segmentation_id": wanted.segment,
        "mtu": wanted.mtu,
        "qos_policy_id": Ref("QoS policy", wanted.qos_policy) if wanted.qos_policy else None,
    }
    given = {key: value for key, value in attributes.items() if value is not None}
    given |= {"router:external": wanted.external, "port_security_enabled": wanted.port_security}
    return Resource(Ref("network", name), given)


def subnets(name: str, wanted: NetworkFile) -> Iterator[Resource]:
    """Describe the subnets of a network."""
    for subnet_name, subnet in wanted.subnets.items():
        yield Resource(Ref("subnet", subnet_name), _subnet(subnet) | {"network_id": Ref("network", name)})


def _subnet(wanted: SubnetFile) -> dict[str, Any]:
    attributes: dict[str, Any] = {
        "cidr": wanted.cidr,
        "ip_version": wanted.version,
        "enable_dhcp": wanted.dhcp,
        "dns_nameservers": list(wanted.dns),
        "host_routes": [route.model_dump() for route in wanted.host_routes],
    }
    if wanted.gateway != "auto":
        attributes["gateway_ip"] = None if wanted.gateway == "none" else wanted.gateway
    if wanted.allocation_pools:
        attributes["allocation_pools"] = [pool.model_dump() for pool in wanted.allocation_pools]
    if wanted.version == 6:
        modes = {"ipv6_ra_mode": wanted.ipv6_ra_mode, "ipv6_address_mode": wanted.ipv6_address_mode}
        attributes |= {key: mode for key, mode in modes.items() if mode}
    return attributes
