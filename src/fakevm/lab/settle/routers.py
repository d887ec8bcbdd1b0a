"""Routers and floating IPs that Neutron would refuse, and addresses that are wanted twice."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from fakevm.model.labfile import FloatingIpFile, LabFile, RouterFile
from fakevm.model.labfile.port_choice import PortChoice
from fakevm.model.remark import Location, Remark

from .choices import elsewhere, unknown
from .networks import overlap, usable
from .ports import all_ports

# Neutron's default (neutron/conf/db/extraroute_db.py).
_MOST_ROUTES = 30


def wrong(lab: LabFile) -> Iterator[Remark]:
    """Find what Neutron refuses of a lab's routers and floating IPs."""
    for name, router in lab.routers.items():
        at: Location = ("routers", name)
        yield from _interfaces(lab, router, at)
        yield from _way_out(lab, router, at)
        yield from _routes(lab, router, at)
    for name, floating in lab.floating_ips.items():
        yield from _floating_ip(lab, floating, ("floating_ips", name))
    yield from _taken_twice(lab)
    yield from _forwarded_twice(lab)


def unserved(lab: LabFile) -> Iterator[Remark]:
    """Find routers that no agent would serve."""
    modes = {host.l3_mode for host in lab.hosts.values() if "l3" in host.roles}
    if lab.routers and not modes:
        yield Remark("routers need a host with the role l3", ("routers",))
    distributed = [name for name, router in lab.routers.items() if router.distributed]
    if modes and distributed and "dvr_snat" not in modes:
        what = f"the distributed router {distributed[0]!r} needs a host with the role l3, l3_mode dvr_snat"
        yield Remark(what, ("routers",))


# -- routers -----------------------------------------------------------------------------------------------------


def _interfaces(lab: LabFile, router: RouterFile, at: Location) -> Iterator[Remark]:
    """See L3_NAT_dbonly_mixin._add_interface_by_subnet and _check_for_dup_router_subnets (29.0.0)."""
    for index, interface in enumerate(router.interfaces):
        here = (*at, "interfaces", index)
        subnet = lab.subnets[interface.subnet]
        if not interface.address and not subnet.gateway_address:
            yield Remark(f"the subnet {interface.subnet!r} has no gateway: give the interface an address", here)
        if interface.address and not usable(subnet.cidr, interface.address):
            yield Remark(f"{interface.address} is no address that a port can have in {subnet.cidr}", here)
        if subnet.ipv6_address_mode and not subnet.ipv6_ra_mode:
            yield Remark(f"the subnet {interface.subnet!r} leaves router advertisements to another router", here)
        for other in _beside(lab, router, index):
            if other == interface.subnet:
                yield Remark(f"the router is in the subnet {other!r} already", here)
            elif overlap(subnet.cidr, lab.subnets[other].cidr):
                yield Remark(f"{subnet.cidr} overlaps with {lab.subnets[other].cidr} of the subnet {other!r}", here)


def _beside(lab: LabFile, router: RouterFile, index: int) -> list[str]:
    """Name the subnets that a router is in, besides those of its interfaces from ``index`` on."""
    outside = lab.networks[router.external_gateway.network].subnets if router.external_gateway else {}
    return [*(interface.subnet for interface in router.interfaces[:index]), *outside]


def _way_out(lab: LabFile, router: RouterFile, at: Location) -> Iterator[Remark]:
    way_out = router.external_gateway
    for index, address in enumerate(way_out.addresses if way_out else ()):
        assert way_out
        cidrs = [subnet.cidr for subnet in lab.networks[way_out.network].subnets.values()]
        if not any(usable(cidr, address) for cidr in cidrs):
            there = ", ".join(cidrs) or "no subnet"
            yield Remark(
                f"{address} is no address of {way_out.network!r}: {there}",
                (*at, "external_gateway", "addresses", index),
            )


def _routes(lab: LabFile, router: RouterFile, at: Location) -> Iterator[Remark]:
    """See ExtraRoute_dbonly_mixin._validate_routes_nexthop (29.0.0)."""
    subnets = [lab.subnets[name] for name in _beside(lab, router, len(router.interfaces))]
    own = {interface.address or lab.subnets[interface.subnet].gateway_address for interface in router.interfaces}
    for index, route in enumerate(router.routes):
        if not any(ipaddress.ip_address(route.nexthop) in ipaddress.ip_network(subnet.cidr) for subnet in subnets):
            yield Remark(f"{route.nexthop} is in no subnet that the router is in", (*at, "routes", index))
        elif route.nexthop in own:
            yield Remark(f"{route.nexthop} is the router's own address", (*at, "routes", index))
    if len(router.routes) > _MOST_ROUTES:
        yield Remark(f"a router has {_MOST_ROUTES} routes at most", (*at, "routes"))


# -- floating IPs ------------------------------------------------------------------------------------------------


def _floating_ip(lab: LabFile, floating: FloatingIpFile, at: Location) -> Iterator[Remark]:
    cidrs = [subnet.cidr for subnet in lab.networks[floating.network].subnets.values() if subnet.version == 4]
    if not cidrs:
        yield Remark(f"the network {floating.network!r} has no IPv4 subnet", (*at, "network"))
    elif floating.address and not any(usable(cidr, floating.address) for cidr in cidrs):
        yield Remark(f"{floating.address} is no address of {floating.network!r}: {', '.join(cidrs)}", (*at, "address"))
    yield from _choice(lab, floating, floating.network, at)
    for index, forwarding in enumerate(floating.port_forwardings):
        yield from _choice(lab, forwarding, floating.network, (*at, "port_forwardings", index))


def _forwarded_twice(lab: LabFile) -> Iterator[Remark]:
    """See PortForwardingPlugin._check_port_collisions and _check_port_has_binding_floating_ip (29.0.0)."""
    behind = {wanted.port_name(lab): name for name, wanted in lab.floating_ips.items() if wanted.is_some}
    taken: list[tuple[tuple[object, ...], tuple[int, int], str]] = []
    for name, floating in lab.floating_ips.items():
        for index, one in enumerate(floating.port_forwardings):
            at: Location = ("floating_ips", name, "port_forwardings", index)
            port = one.port_name(lab)
            if port in behind:
                yield Remark(f"the port has a floating IP of its own, {behind[port]!r}", at)
            outside = (name, one.protocol), one.ports, f"{one.protocol} {_span(one.ports)} of {name!r}"
            words = f"{one.protocol} {_span(one.inside)} of {one.guest or one.port!r}"
            inside = (port, one.fixed_ip, one.protocol), one.inside, words
            for key, (first, last), _ in (outside, inside):
                twice = [words for other, (low, high), words in taken if other == key and low <= last and first <= high]
                yield from (Remark(f"{words} is forwarded already", at) for words in twice[:1])
            taken += [outside, inside]


def _span(ports: tuple[int, int]) -> str:
    return f"{ports[0]}" if ports[0] == ports[1] else f"{ports[0]}-{ports[1]}"


def _choice(lab: LabFile, wanted: PortChoice, external: str, at: Location) -> Iterator[Remark]:
    """Find a port that is not there, or that no router joins with the external network."""
    if not wanted.is_some:
        return
    if wrong := list(unknown(lab, wanted, at)):
        yield from wrong
        return
    guest = wanted.guest
    network = wanted.network_name(lab)
    inside = {name: subnet for name, subnet in lab.networks[network].subnets.items() if subnet.version == 4}
    yield from elsewhere(wanted, network, [subnet.cidr for subnet in inside.values()], 4, at)
    leading = [r for r in lab.routers.values() if r.external_gateway and r.external_gateway.network == external]
    if not any(interface.subnet in inside for router in leading for interface in router.interfaces):
        whose = f" of {guest!r}" if guest else ""
        what = f"no router leads from the network {network!r}{whose} to {external!r}"
        yield Remark(what, (*at, "guest" if guest else "port"))


# -- addresses ---------------------------------------------------------------------------------------------------


def _taken_twice(lab: LabFile) -> Iterator[Remark]:
    taken: dict[tuple[str, str], tuple[str, Location]] = {}
    for network, address, who, at in _claims(lab):
        holder, first = taken.setdefault((network, address), (who, at))
        # Of a router that is twice in a subnet that is told already.
        if first != at and (holder != who or at[0] != "routers"):
            yield Remark(f"{holder} has {address} already", at)
    floating: dict[tuple[str, str, str | None], str] = {}
    for name, wanted in lab.floating_ips.items():
        key = (wanted.network, wanted.port_name(lab), wanted.fixed_ip)
        if wanted.is_some and floating.setdefault(key, name) != name:
            yield Remark(
                f"the port has a floating IP of {wanted.network!r} already: {floating[key]!r}", ("floating_ips", name)
            )


def _claims(lab: LabFile) -> Iterator[tuple[str, str, str, Location]]:
    """Give every address that somebody will have, with its network, and who that is."""
    network_of = {subnet: name for name, net in lab.networks.items() for subnet in net.subnets}
    for name, router in lab.routers.items():
        at: Location = ("routers", name)
        for index, interface in enumerate(router.interfaces):
            if address := interface.address or lab.subnets[interface.subnet].gateway_address:
                yield network_of[interface.subnet], address, f"router {name!r}", (*at, "interfaces", index)
        if router.external_gateway:
            for index, address in enumerate(router.external_gateway.addresses):
                here = (*at, "external_gateway", "addresses", index)
                yield router.external_gateway.network, address, f"router {name!r}", here
    for holder, at, port in all_ports(lab):
        for index, fixed in enumerate(port.fixed_ips):
            if fixed.address:
                yield port.network, fixed.address, holder, (*at, "fixed_ips", index)
    for name, floating in lab.floating_ips.items():
        if floating.address:
            yield floating.network, floating.address, f"floating IP {name!r}", ("floating_ips", name, "address")
    for name, local in lab.local_ips.items():
        if local.address:
            yield local.network, local.address, f"local IP {name!r}", ("local_ips", name, "address")
