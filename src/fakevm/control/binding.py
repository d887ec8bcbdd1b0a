"""Binding a port to a host, and what the host must know to plug it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from ipaddress import ip_network
from typing import Any

from fakevm.control.known import words
from fakevm.control.neutron import Neutron, Resource
from fakevm.errors import BindingFailed
from fakevm.model.port import Binding, FixedIp, Port, Route, Vlan

# What Nova writes for an instance in its default availability zone.
DEVICE_OWNER = "compute:nova"
UNBOUND = ("", "unbound", "binding_failed")
# What Nova writes into a binding's profile while the port moves: the host that it moves to.
MIGRATING_TO = "migrating_to"
# The agents that wire no VM's port. Any other may be a mechanism driver's, also one that nobody here knows of.
SERVICE_AGENTS = (
    "neutron-fakevm-agent",
    "neutron-dhcp-agent",
    "neutron-l3-agent",
    "neutron-metadata-agent",
    "neutron-metering-agent",
    "neutron-ovn-agent",
    "neutron-ovn-metadata-agent",
    "neutron-bgp-dragent",
)


def bind(neutron: Neutron, port: Resource, host: str, called: str = "", **changes: Any) -> Resource:
    """Bind a port to a host as Nova does, and make sure that it worked. Raises BindingFailed saying why.

    ``called`` is its guest's host name, where that is not made of what the port is called. ``changes`` are of other
    attributes, in the same request.
    """
    changes["binding_host_id"] = host
    if port.get("dns_name") == "":
        # Where Neutron has its DNS integration, Nova calls ports as their instance (29.0.0,
        # API._populate_neutron_extension_values).
        changes["dns_name"] = called or hostname(port["name"] or port["device_id"] or port["id"])
    if not port["device_owner"]:
        changes["device_owner"] = DEVICE_OWNER
    bound = neutron.update_port(port["id"], f"bind {words(port['id'])} to {host}", **changes)
    if bound["binding:vif_type"] in UNBOUND:
        raise _failure(neutron, bound, host)
    return bound


def release(neutron: Neutron, port_id: str) -> None:
    """Make a port nobody's, as Nova does when an interface is detached (API._unbind_ports). Raises NotFound."""
    what = f"make {words(port_id)} nobody's"
    nameless = {"dns_name": ""} if neutron.port(port_id).get("dns_name") else {}
    neutron.update_port(port_id, what, device_id="", device_owner="", binding_host_id=None, **nameless)


def is_bound(port: Resource, host: str) -> bool:
    """Tell whether the port is bound to the host, and not in vain."""
    return port["binding:host_id"] == host and port["binding:vif_type"] not in UNBOUND


def describe(
    port: Resource,
    network: Resource,
    subnets: Sequence[Resource],
    *,
    binding: Resource | None = None,
    vlans: Iterable[Vlan] = (),
) -> Port:
    """Say of a bound port all that its host must know; of one with several bindings, the host of ``binding``."""
    by_id = {subnet["id"]: subnet for subnet in subnets}
    return Port(
        id=port["id"],
        name=port["name"],
        mac_address=port["mac_address"],
        mtu=network["mtu"],
        network_id=network["id"],
        network_name=network["name"],
        instance_id=port["device_id"] or port["id"],
        project_id=port["project_id"],
        hostname=hostname(port["name"] or port["device_id"] or port["id"]),
        fixed_ips=tuple(_fixed_ip(fixed["ip_address"], by_id[fixed["subnet_id"]]) for fixed in port["fixed_ips"]),
        binding=_binding_of(port)
        if binding is None
        else Binding(**{name: binding[name] for name in Binding.model_fields}),
        vlans=tuple(vlans),
    )


def tagged(neutron: Neutron, port: Resource) -> Iterator[Vlan]:
    """Describe what comes tagged over a trunk's port; Neutron says it only where it has trunks (trunk-details)."""
    for subport in (port.get("trunk_details") or {}).get("sub_ports", ()):
        if subport["segmentation_type"] == "vlan":
            seen = neutron.port(subport["port_id"])
            lengths = {each["id"]: each["cidr"].partition("/")[2] for each in neutron.subnets(seen["network_id"])}
            yield Vlan(
                tag=subport["segmentation_id"],
                mac_address=seen["mac_address"],
                addresses=tuple(f"{fixed['ip_address']}/{lengths[fixed['subnet_id']]}" for fixed in seen["fixed_ips"]),
            )


def _binding_of(port: Resource) -> Binding:
    return Binding(
        host=port["binding:host_id"],
        vif_type=port["binding:vif_type"],
        vif_details=port["binding:vif_details"],
        vnic_type=port["binding:vnic_type"],
        profile=port["binding:profile"],
    )


def _fixed_ip(address: str, subnet: Resource) -> FixedIp:
    return FixedIp(
        address=address,
        prefix_length=ip_network(subnet["cidr"]).prefixlen,
        subnet_id=subnet["id"],
        gateway=subnet["gateway_ip"],
        enable_dhcp=subnet["enable_dhcp"],
        ipv6_address_mode=subnet.get("ipv6_address_mode"),
        routes=tuple(Route(destination=r["destination"], nexthop=r["nexthop"]) for r in subnet["host_routes"]),
        dns_servers=tuple(subnet["dns_nameservers"]),
    )


def hostname(words: str) -> str:
    """Make a host name that DNS allows, as Nova does of an instance's name."""
    return re.sub(r"[^a-z0-9-]+", "-", words.lower()).strip("-")[:63].rstrip("-") or "guest"


def _failure(neutron: Neutron, port: Resource, host: str) -> BindingFailed:
    network = neutron.network(port["network_id"])
    reasons = why_unbound(host, network, neutron.agents(host=host))
    return BindingFailed(
        f"Neutron could not bind {words(port['id'])} to {host} ({port['binding:vif_type']}): {'; '.join(reasons)}",
        hint="`openstack network agent list` shows the agents; the Neutron server's log names the mechanism drivers.",
    )


def why_unbound(host: str, network: Resource, agents: Sequence[Resource]) -> list[str]:
    """Work out why no mechanism driver took a port of this network on this host, from the host's agents."""
    wiring = [agent for agent in agents if agent["binary"] not in SERVICE_AGENTS]
    if not wiring:
        return [f"no agent that wires ports (Open vSwitch, OVN…) has ever reported from {host}"]
    alive = [agent for agent in wiring if agent["alive"]]
    if not alive:
        return [f"{a['agent_type']} on {host} is down since {a['heartbeat_timestamp']} UTC" for a in wiring]
    return [_why_not_by(agent, network) for agent in alive]


def _why_not_by(agent: Resource, network: Resource) -> str:
    """Say what the network needs and the agent does not have."""
    name = f"{agent['agent_type']} on {agent['host']}"
    settings = agent["configurations"]
    kind = network.get("provider:network_type")
    physical = network.get("provider:physical_network")
    mappings = settings.get("bridge_mappings", settings.get("interface_mappings"))
    if physical and mappings is not None and physical not in mappings:
        known = ", ".join(mappings) or "none"
        return f"{name} has no bridge for the physical network {physical!r} (it has: {known})"
    if kind in ("vxlan", "gre", "geneve") and "tunnel_types" in settings and kind not in settings["tunnel_types"]:
        return f"{name} makes no {kind} tunnels (it makes: {', '.join(settings['tunnel_types']) or 'none'})"
    return f"{name} is alive and fits a network of type {kind or 'unknown'}, yet no mechanism driver took the port"
