"""Networks and subnets that Neutron would refuse."""

from __future__ import annotations

import ipaddress
import itertools
from collections.abc import Iterator

from fakevm.model.labfile import LabFile, NetworkFile, SubnetFile
from fakevm.model.labfile.network import Piece
from fakevm.model.remark import Location, Remark

from .types import Types

# Neutron's defaults (neutron/conf/common.py): max_dns_nameservers, max_subnet_host_routes.
_MOST_SERVERS = 5
_MOST_ROUTES = 20
# RFC 8200, section 5.
_LEAST_MTU_OF_IPV6 = 1280


def wrong(lab: LabFile, types: Types) -> Iterator[Remark]:
    """Find what Neutron refuses of a lab's networks."""
    for name, net in lab.networks.items():
        at: Location = ("networks", name)
        yield from _type(lab, net, types, at)
        yield from _mtu(net, types, at)
        for subnet_name, subnet in net.subnets.items():
            yield from _subnet(subnet, (*at, "subnets", subnet_name))
        yield from _overlaps(net, at)
        yield from _of_one_pool(net, at)
    yield from _segments(lab, types)
    yield from _numbers(lab)
    yield from _pools_of_subnets(lab)
    yield from _scopes(lab)


def _type(lab: LabFile, net: NetworkFile, types: Types, at: Location) -> Iterator[Remark]:
    for piece in net.pieces:
        if piece.type and types.there and piece.type not in types.there:
            yield Remark(
                f"the backend {lab.backend} has no networks of the type {piece.type}. It has: {', '.join(types.there)};"
                " without a type, Neutron chooses one",
                (*at, *piece.at, "type"),
            )


def _mtu(net: NetworkFile, types: Types, at: Location) -> Iterator[Remark]:
    largest = types.largest_mtu(net)
    if net.mtu and largest and net.mtu > largest:
        yield Remark(f"the largest MTU of a {types.of(net)} network is {largest} here", (*at, "mtu"))
    if net.mtu and net.mtu < _LEAST_MTU_OF_IPV6 and any(subnet.version == 6 for subnet in net.subnets.values()):
        yield Remark(f"a network with an IPv6 subnet needs an MTU of {_LEAST_MTU_OF_IPV6} at least", (*at, "mtu"))


# -- segments: what is used twice, and what runs out -------------------------------------------------------------


def _segments(lab: LabFile, types: Types) -> Iterator[Remark]:
    taken: dict[tuple[object, ...], str] = {}
    for name, piece in _pieces(lab):
        kind = piece.type or types.own
        if kind != "flat" and not piece.segment:
            continue
        key = (kind, piece.physical_network, piece.segment)
        if key in taken:
            what = f"physical network {piece.physical_network}" if kind == "flat" else f"segment {piece.segment}"
            where = f" of {piece.physical_network}" if kind == "vlan" else ""
            at = ("networks", name, *piece.at, "segment")
            yield Remark(f"the network {taken[key]!r} has the {what}{where} already", at)
        taken.setdefault(key, name)


def _pieces(lab: LabFile) -> Iterator[tuple[str, Piece]]:
    yield from ((name, piece) for name, net in lab.networks.items() for piece in net.pieces)


def _numbers(lab: LabFile) -> Iterator[Remark]:
    """Find VLAN networks for which Neutron has no number left to choose."""
    vlans = [(name, piece) for name, piece in _pieces(lab) if piece.type == "vlan"]
    for physical_name, physical in lab.physical_networks.items():
        there = [(name, piece.segment) for name, piece in vlans if piece.physical_network == physical_name]
        first, last = physical.vlans or (1, 0)
        given = {segment for _, segment in there if segment and first <= segment <= last}
        left = last - first + 1 - len(given)
        chosen = [name for name, segment in there if not segment]
        for name in chosen[max(left, 0) :]:
            have = f"has {last - first + 1} to choose from, and they are taken" if physical.vlans else "has no vlans"
            yield Remark(
                f"the physical network {physical_name!r} {have}: give a segment, or {physical_name!r} more vlans",
                ("networks", name),
            )


# -- subnets -----------------------------------------------------------------------------------------------------


def _overlaps(net: NetworkFile, at: Location) -> Iterator[Remark]:
    for (name, one), (other_name, other) in itertools.combinations(net.subnets.items(), 2):
        if overlap(one.cidr, other.cidr):
            what = f"{other.cidr} overlaps with {one.cidr} of the subnet {name!r}, in one network"
            yield Remark(what, (*at, "subnets", other_name, "cidr"))


def overlap(one: str, other: str) -> bool:
    """Tell whether two subnets share addresses."""
    first, second = ipaddress.ip_network(one), ipaddress.ip_network(other)
    return first.version == second.version and first.overlaps(second)


def usable(cidr: str, address: str) -> bool:
    """Tell whether a port may have an address in a subnet (neutron.ipam.utils.check_subnet_ip, 29.0.0)."""
    network, wanted = ipaddress.ip_network(cidr), ipaddress.ip_address(address)
    if network.version == 4 and wanted in (network.network_address, network.broadcast_address):
        return False
    return wanted in network


def _subnet(subnet: SubnetFile, at: Location) -> Iterator[Remark]:
    """See Neutron's _validate_subnet, _validate_subnet_cidr (29.0.0)."""
    network = ipaddress.ip_network(subnet.cidr)
    if network.prefixlen == 0:
        yield Remark("a subnet of all addresses is none that Neutron takes", (*at, "cidr"))
    if subnet.dhcp and network.prefixlen > (30 if network.version == 4 else 126):
        yield Remark(f"{subnet.cidr} is too small for DHCP: say dhcp: false", (*at, "cidr"))
    if subnet.dhcp and (network.is_multicast or network.is_loopback or int(network.network_address) == 0):
        yield Remark(f"Neutron serves no DHCP in {subnet.cidr}", (*at, "cidr"))
    yield from _gateway(subnet, at)
    yield from _pools(subnet, at)
    yield from _modes(subnet, at)
    yield from _told(subnet, at)


def _gateway(subnet: SubnetFile, at: Location) -> Iterator[Remark]:
    if subnet.gateway in ("auto", "none"):
        return
    if not usable(subnet.cidr, subnet.gateway) and ipaddress.ip_network(subnet.cidr).prefixlen < 31:
        yield Remark(
            f"{subnet.gateway} cannot be the gateway: it is the network itself, or everybody", (*at, "gateway")
        )


def _pools(subnet: SubnetFile, at: Location) -> Iterator[Remark]:
    way_out = subnet.gateway_address
    ranges = [(ipaddress.ip_address(p.start), ipaddress.ip_address(p.end)) for p in subnet.allocation_pools]
    for index, (start, end) in enumerate(ranges):
        here = (*at, "allocation_pools", index)
        wide = ipaddress.ip_network(subnet.cidr).prefixlen < 31
        if wide and not (usable(subnet.cidr, str(start)) and usable(subnet.cidr, str(end))):
            yield Remark("the pool begins with the network itself, or ends with everybody", here)
        if way_out and int(start) <= int(ipaddress.ip_address(way_out)) <= int(end):
            yield Remark(f"the gateway {way_out} is in the pool", here)
        if any(int(start) <= int(stop) and int(begin) <= int(end) for begin, stop in ranges[:index]):
            yield Remark("the pool overlaps with another one of the subnet", here)


def is_auto_address(subnet: SubnetFile) -> bool:
    """Tell whether addresses are made from MAC addresses (neutron.common.ipv6_utils.is_auto_address_subnet)."""
    modes = ("slaac", "dhcpv6-stateless")
    return subnet.ipv6_address_mode in modes or subnet.ipv6_ra_mode in modes


def _modes(subnet: SubnetFile, at: Location) -> Iterator[Remark]:
    key = "ipv6_ra_mode" if subnet.ipv6_ra_mode else "ipv6_address_mode"
    if (subnet.ipv6_ra_mode or subnet.ipv6_address_mode) and not subnet.dhcp:
        yield Remark("Neutron takes the IPv6 modes with dhcp: true only", (*at, key))
    if is_auto_address(subnet) and ipaddress.ip_network(subnet.cidr).prefixlen != 64:
        yield Remark(f"addresses are made from MAC addresses: the prefix must be /64, not {subnet.cidr}", (*at, "cidr"))


def _told(subnet: SubnetFile, at: Location) -> Iterator[Remark]:
    """Compare what guests are told by DHCP with the version of the subnet."""
    for index, server in enumerate(subnet.dns):
        if ipaddress.ip_address(server).version != subnet.version:
            yield Remark(f"{server} is no IPv{subnet.version} address", (*at, "dns", index))
    if len(subnet.dns) > _MOST_SERVERS:
        yield Remark(f"a subnet has {_MOST_SERVERS} name servers at most", (*at, "dns"))
    for index, route in enumerate(subnet.host_routes):
        versions = {ipaddress.ip_network(route.destination).version, ipaddress.ip_address(route.nexthop).version}
        if versions != {subnet.version}:
            yield Remark(f"the route is not of IPv{subnet.version} alone", (*at, "host_routes", index))
    if len(subnet.host_routes) > _MOST_ROUTES:
        yield Remark(f"a subnet has {_MOST_ROUTES} host routes at most", (*at, "host_routes"))


# -- subnet pools ------------------------------------------------------------------------------------------------


def _pools_of_subnets(lab: LabFile) -> Iterator[Remark]:
    """See SubnetAllocator of neutron.ipam.subnet_alloc (29.0.0)."""
    taken: dict[str, list[tuple[str, str]]] = {}
    for network, net in lab.networks.items():
        for name, subnet in net.subnets.items():
            if not subnet.pool:
                continue
            at: Location = ("networks", network, "subnets", name)
            pool = lab.subnet_pools[subnet.pool]
            if not any(_within(subnet.cidr, prefix) for prefix in pool.prefixes):
                there = ", ".join(pool.prefixes)
                yield Remark(f"{subnet.cidr} is not of the subnet pool {subnet.pool!r}: {there}", (*at, "cidr"))
            for other, cidr in taken.setdefault(subnet.pool, []):
                if overlap(cidr, subnet.cidr):
                    yield Remark(f"the subnet {other!r} has {cidr} of this pool already", (*at, "cidr"))
            taken[subnet.pool].append((name, subnet.cidr))


def _within(one: str, other: str) -> bool:
    first, second = ipaddress.ip_network(one), ipaddress.ip_network(other)
    return first.version == second.version and int(second[0]) <= int(first[0]) <= int(first[-1]) <= int(second[-1])


def _of_one_pool(net: NetworkFile, at: Location) -> Iterator[Remark]:
    """See IpamBackendMixin._validate_network_subnetpools (29.0.0)."""
    pools: dict[int, str | None] = {}
    for name, subnet in net.subnets.items():
        if pools.setdefault(subnet.version, subnet.pool) != subnet.pool:
            what = f"the subnets of a network (of IPv{subnet.version}) are all of one subnet pool, or of none"
            yield Remark(what, (*at, "subnets", name))


def _scopes(lab: LabFile) -> Iterator[Remark]:
    """See SubnetPool's validation of address scopes (Db_Base_Plugin_V2._validate_address_scope_id, 29.0.0)."""
    prefixes: dict[str, list[tuple[str, str]]] = {}
    for name, pool in lab.subnet_pools.items():
        if not pool.scope:
            continue
        if lab.address_scopes[pool.scope].version != pool.version:
            what = f"the address scope {pool.scope!r} is of IPv{lab.address_scopes[pool.scope].version}"
            yield Remark(what, ("subnet_pools", name, "scope"))
        for prefix in pool.prefixes:
            for other, cidr in prefixes.setdefault(pool.scope, []):
                if other != name and overlap(cidr, prefix):
                    what = f"{prefix} overlaps with {cidr} of {other!r}, which is in this address scope, too"
                    yield Remark(what, ("subnet_pools", name, "prefixes"))
            prefixes[pool.scope].append((name, prefix))
