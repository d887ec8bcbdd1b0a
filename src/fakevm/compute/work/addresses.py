"""The addresses of servers, as Neutron has them now: of their ports, and floating ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from fakevm.control.neutron import Neutron, Resource

Addresses = dict[str, list[dict[str, Any]]]


class Seen(NamedTuple):
    """What Neutron says of a server's network: its addresses by network, its security groups' names."""

    addresses: Addresses
    security_groups: tuple[str, ...]
    floating: str


NOTHING = Seen({}, (), "")


def of(neutron: Neutron, servers: Iterable[str]) -> Mapping[str, Seen]:
    """Ask for several servers at once."""
    ids = list(servers)
    if not ids:
        return {}
    ports = neutron.ports_of(*ids)
    if not ports:
        return {}
    names = {network["id"]: network["name"] for network in neutron.networks()}
    floating = _floating(neutron, {port["id"] for port in ports})
    groups = _groups(neutron, ports)
    by_server: dict[str, list[Resource]] = defaultdict(list)
    for port in ports:
        by_server[port["device_id"]].append(port)
    return {server: _seen(own, names, floating, groups) for server, own in by_server.items()}


def _floating(neutron: Neutron, ports: set[str]) -> dict[tuple[str, str], str]:
    try:
        known = neutron.collection("/floatingips", "list the floating IPs of servers")
    except Exception:  # a Neutron without routers has none
        return {}
    return {
        (ip["port_id"], ip["fixed_ip_address"]): ip["floating_ip_address"] for ip in known if ip["port_id"] in ports
    }


def _groups(neutron: Neutron, ports: Iterable[Resource]) -> dict[str, str]:
    wanted = {group for port in ports for group in port["security_groups"]}
    if not wanted:
        return {}
    known = neutron.collection("/security-groups", "list the security groups of servers", fields=["id", "name"])
    return {group["id"]: group["name"] for group in known if group["id"] in wanted}


def _seen(
    ports: Iterable[Resource],
    names: Mapping[str, str],
    floating: Mapping[tuple[str, str], str],
    groups: Mapping[str, str],
) -> Seen:
    found: Addresses = {}
    first = ""
    labels: dict[str, None] = {}
    for port in ports:
        rows = found.setdefault(names.get(port["network_id"], port["network_id"]), [])
        for fixed in port["fixed_ips"]:
            rows.append(_row(fixed["ip_address"], port["mac_address"], "fixed"))
            if address := floating.get((port["id"], fixed["ip_address"])):
                rows.append(_row(address, port["mac_address"], "floating"))
                first = first or address
        labels |= dict.fromkeys(groups.get(group, group) for group in port["security_groups"])
    return Seen({name: rows for name, rows in found.items() if rows}, tuple(labels), first)


def _row(address: str, mac: str, kind: str) -> dict[str, Any]:
    return {
        "version": 6 if ":" in address else 4,
        "addr": address,
        "OS-EXT-IPS:type": kind,
        "OS-EXT-IPS-MAC:mac_addr": mac,
    }
