"""The names that a lab file gives to things, found in the file as it was written, however wrong the rest of it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .host import DEFAULT_HOSTS, counted
from .outside import OutsideFile
from .physical_network import DEFAULT_PHYSICAL_NETWORKS

# The programs of labs themselves, beside those of their hosts.
LAB_PROGRAMS = frozenset(
    (
        "broker", "broker-relay", "database", "events", "metadata",
        "neutron-api", "neutron-rpc-server", "neutron-periodic-workers",
        "neutron-ovn-maintenance-worker", "ovn-nb", "ovn-northd", "ovn-sb", "openflow-controller",
    )
)  # fmt: skip

Known = dict[str, frozenset[str]]

_NAMED_IN = {
    "physical_networks": ("physical network",),
    "hosts": ("host", "compute host"),
    "networks": ("network", "external network", "subnet"),
    "security_groups": ("security group",),
    "qos_policies": ("QoS policy",),
    "guests": ("guest",),
    "floating_ips": ("floating IP",),
    "outside": ("client",),
}


def subnets_of(network: str) -> str:
    """Name the kind of thing that the subnets of a network are, by their CIDRs."""
    return f"subnet of {network}"


def known(tree: Mapping[str, Any]) -> Known:
    """Find the names of each kind of thing, for references to be compared with."""
    networks = _mapping(tree, "networks")
    hosts = counted(_mapping(tree, "hosts")) if "hosts" in tree else DEFAULT_HOSTS
    physical = "physical_networks" in tree
    cidrs = {
        subnets_of(name): frozenset(str(_get(subnet, "cidr")) for subnet in _mapping(net, "subnets").values())
        for name, net in networks.items()
    }
    found = cidrs | {
        "physical network": frozenset(_mapping(tree, "physical_networks") if physical else DEFAULT_PHYSICAL_NETWORKS),
        "host": frozenset(hosts),
        "program": LAB_PROGRAMS,
        "compute host": frozenset(name for name, host in hosts.items() if "compute" in _roles(host)),
        "network": frozenset(networks),
        "external network": frozenset(name for name, net in networks.items() if _get(net, "external") is True),
        "subnet": frozenset(subnet for net in networks.values() for subnet in _mapping(net, "subnets")),
        "security group": frozenset({*_mapping(tree, "security_groups"), "default"}),
        "QoS policy": frozenset(_mapping(tree, "qos_policies")),
        "guest": frozenset(_mapping(tree, "guests")),
        "floating IP": frozenset(_mapping(tree, "floating_ips")),
        "client": frozenset(_clients(tree)),
    }
    unread = {kind for section, kinds in _NAMED_IN.items() if not _is_readable(tree, section) for kind in kinds}
    return {kind: names for kind, names in found.items() if kind not in unread}


def _is_readable(tree: Mapping[str, Any], section: str) -> bool:
    """Tell whether a section's names can be found; where not, that alone is told, and not what refers to them, too."""
    written = _get(tree, section)
    if section == "networks" and isinstance(written, Mapping):
        networks = written.values()
        return all(isinstance(part, Mapping | None) for net in networks for part in (net, _get(net, "subnets")))
    return isinstance(_get(written, "clients") if section == "outside" else written, Mapping | None)


def _get(node: Any, key: str) -> Any:
    return node.get(key) if isinstance(node, Mapping) else getattr(node, key, None)


def _mapping(node: Any, key: str) -> Mapping[str, Any]:
    found = _get(node, key)
    return {str(name): value for name, value in found.items()} if isinstance(found, Mapping) else {}


def _roles(host: Any) -> tuple[str, ...]:
    roles = _get(host, "roles")
    return ("compute",) if roles is None else tuple(roles) if isinstance(roles, list | tuple) else ()


def _clients(tree: Mapping[str, Any]) -> Mapping[str, Any]:
    outside = _get(tree, "outside")
    return _mapping(outside, "clients") if _get(outside, "clients") is not None else OutsideFile().clients
