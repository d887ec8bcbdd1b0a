"""The names that a lab file gives to things, found in the file as it was written, however wrong the rest of it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .host import DEFAULT_HOSTS, HostFile, counted
from .lab import LabFile
from .outside import OutsideFile
from .physical_network import DEFAULT_PHYSICAL_NETWORKS
from .reference import subnets_of

Known = dict[str, frozenset[str]]

_KINDS = {key: value.kinds[0] for key, value in LabFile.sections().items()}
# What Neutron's own things are, beyond these: without a Neutron that is told of the keys that speak of them.
_NEUTRONS = {"physical network", "external network", "subnet", *(kind.name for kind in _KINDS.values())}
_NAMED_IN = {key: (kind.name,) for key, kind in _KINDS.items()} | {
    "physical_networks": ("physical network",),
    "hosts": ("host", "compute host"),
    "networks": ("network", "external network", "subnet"),
    "guests": ("guest",),
    "bridges": ("bridge",),
    "outside": ("client",),
}


def known(tree: Mapping[str, Any], default_hosts: Mapping[str, HostFile] = DEFAULT_HOSTS) -> Known:
    """Find the names of each kind of thing, for references to be compared with.

    ``default_hosts`` are those of a file that names none.
    """
    networks = _mapping(tree, "networks")
    hosts = counted(_mapping(tree, "hosts")) if "hosts" in tree else default_hosts
    physical = "physical_networks" in tree
    cidrs = {
        subnets_of(name): frozenset(str(_get(subnet, "cidr")) for subnet in _mapping(net, "subnets").values())
        for name, net in networks.items()
    }
    resources = {kind.name: frozenset({*_mapping(tree, key), *kind.given}) for key, kind in _KINDS.items()}
    found = {
        **cidrs,
        **resources,
        "physical network": frozenset(_mapping(tree, "physical_networks") if physical else DEFAULT_PHYSICAL_NETWORKS),
        "host": frozenset(hosts),
        "compute host": frozenset(name for name, host in hosts.items() if "compute" in _roles(host)),
        "external network": frozenset(name for name, net in networks.items() if _get(net, "external") is True),
        "subnet": frozenset(subnet for net in networks.values() for subnet in _mapping(net, "subnets")),
        "guest": frozenset(_mapping(tree, "guests")),
        "bridge": frozenset(_mapping(tree, "bridges")),
        "client": frozenset(_clients(tree)),
    }
    unread = {kind for section, kinds in _NAMED_IN.items() if not _is_readable(tree, section) for kind in kinds}
    if tree.get("neutron") is False:
        unread |= _NEUTRONS - {"floating IP"}
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
    if tree.get("neutron") is False and outside is None:
        return {}
    return _mapping(outside, "clients") if _get(outside, "clients") is not None else OutsideFile().clients
