"""What the parts of a lab file need of its backend.

A check needs what its places need, for without that they are not there; and, where it does not say so itself, what its
kind, its way and its expectation tell.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from fakevm.lab.services import loading
from fakevm.model.feature import Feature
from fakevm.model.labfile import GuestFile, LabFile, LinkEndFile, NetworkFile
from fakevm.model.labfile import check as files
from fakevm.model.labfile.check import Check, TargetedCheck

Needs = frozenset[Feature]

METADATA = "169.254.169.254"

_OF_TYPES: dict[str, Feature] = {"vlan": "vlan", "flat": "flat", "vxlan": "tunnels", "geneve": "tunnels"}
_PACKETS = (files.PingCheck, files.TcpCheck, files.UdpCheck, files.HttpCheck)


def of_network(wanted: NetworkFile) -> Needs:
    """Tell what a network needs; nothing when its type is Neutron's choice."""
    return frozenset(_OF_TYPES[piece.type] for piece in wanted.pieces if piece.type)


def of_guest(lab: LabFile, wanted: GuestFile) -> Needs:
    """Tell what a guest needs to be there."""
    found: set[Feature] = set()
    for port in wanted.on_networks:
        found |= of_network(lab.networks[port.network])
        for subport in port.trunk:
            found |= of_network(lab.networks[subport.network])
            found.add("trunks")
    return frozenset(found)


def of_check(lab: LabFile, check: Check) -> Needs:
    """Tell what a check needs. ``lab`` is the whole file, not what is left of it."""
    ends = (check.source, check.target) if isinstance(check, TargetedCheck) else (check.source,)
    own = frozenset(check.needs) if check.needs is not None else frozenset(_own(lab, check))
    return own.union(*(_of_place(lab, name) for name in ends))


def _of_place(lab: LabFile, name: str) -> Needs:
    if name in lab.guests:
        return of_guest(lab, lab.guests[name])
    if floating := lab.floating_ips.get(name):
        external = lab.networks.get(floating.network)
        needed: Needs = frozenset({"floating-ips", "routers"})
        needed |= of_network(external) if external else frozenset()
        behind = [choice.guest or choice.port for choice in (floating, *floating.port_forwardings)]
        return needed.union(*(_of_place(lab, name) for name in behind if name))
    if name in lab.ports:
        return of_network(lab.networks[lab.ports[name].network])
    if name in lab.outside.clients:
        return frozenset().union(*(of_network(net) for net in lab.external_networks.values()))
    return frozenset()


# -- what a check tells by itself ------------------------------------------------------------------------------


def _own(lab: LabFile, check: Check) -> Iterator[Feature]:
    target = check.target if isinstance(check, TargetedCheck) else ""
    if isinstance(check, files.DhcpCheck | files.LeaseCheck):
        yield "dhcp"
    if isinstance(check, files.DnsCheck) and _asks_dhcp(lab, check):
        yield "dhcp"
        # Of ports without a name Neutron makes one of the address.
        if not loading.has(lab, "dns") or check.name.startswith("host-"):
            yield "dns"
    yield from _of_services(lab, check, target)
    if isinstance(check, files.MigrateCheck) and check.way == "live":
        yield "live-migration"
    if target == METADATA or (isinstance(check, files.CommandCheck) and METADATA in check.run):
        yield "metadata"
    elif target and _is_routed(lab, check.source, target):
        yield "routers"
    if check.expect == "blocked" and target in lab.guests and _are_apart(lab, check.source, target):
        yield "address-scopes"
    if isinstance(check, files.BandwidthCheck) and (_is_limited(lab, check.source) or _is_limited(lab, target)):
        yield "qos"
    if isinstance(check, files.BandwidthCheck) and target in lab.floating_ips and lab.floating_ips[target].qos_policy:
        yield from ("qos", "qos-of-routers")
    if isinstance(check, files.DscpCheck) and check.mark:
        yield from ("qos", "dscp")
    if isinstance(check, files.PacketsCheck):
        yield from ("qos", "packet-rates")
    if isinstance(check, _PACKETS) and check.expect == "blocked" and _is_filtered(lab, check.source, target):
        yield "security-groups"


def _of_services(lab: LabFile, check: Check, target: str) -> Iterator[Feature]:
    """Tell what a check needs of services that not every backend has."""
    if isinstance(check, files.MeteredCheck):
        yield "metering"
    if isinstance(check, files.LoggedCheck):
        yield from ("security-groups", "packet-logs")
    if target in {local.address for local in lab.local_ips.values()}:
        yield "local-ips"
    if isinstance(check, TargetedCheck) and _is_proxied(lab, check):
        yield "ndp-proxies"


def _is_proxied(lab: LabFile, check: TargetedCheck) -> bool:
    """Tell whether packets come to a guest's own IPv6 address from outside, be they answers: by a router's proxy."""
    proxied = {proxy.guest or proxy.port for proxy in lab.ndp_proxies.values()}
    outside = lab.outside.clients.keys()
    ends = {check.source, check.target}
    return check.family == 6 and bool(ends & proxied) and bool(ends & outside)


def _asks_dhcp(lab: LabFile, check: files.DnsCheck) -> bool:
    """Tell whether the server is DHCP's own: that of its offer, or one in the guest's network."""
    return not check.server or _is_near(lab, check.source, check.server)


def _is_routed(lab: LabFile, source: str, target: str) -> bool:
    """Tell whether packets go through a router of the file; where it has none, nothing is amiss without."""
    if not lab.routers or {source, target} <= set(lab.outside.clients):
        return False
    if source in lab.guests and (target in lab.guests or target in lab.ports):
        return not (_networks(lab, source) & _networks(lab, target) or _links(lab, source) & _links(lab, target))
    return not _is_near(lab, source, target)


def _is_near(lab: LabFile, source: str, address: str) -> bool:
    """Tell whether something is an address in one of a guest's own subnets, or on one of its links."""
    try:
        wanted = ipaddress.ip_address(address)
    except ValueError:
        return False
    subnets = (subnet for name in _networks(lab, source) for subnet in lab.networks[name].subnets.values())
    near = [*(subnet.cidr for subnet in subnets), *_addresses_on_links(lab, source)]
    return any(wanted in ipaddress.ip_interface(cidr).network for cidr in near)


def _is_filtered(lab: LabFile, source: str, target: str) -> bool:
    """Tell whether nothing but a filter can stop packets: in one network, or where a port names its groups."""
    ends = [_guest_behind(lab, name) for name in (source, target)]
    if any(port.security_groups is not None for guest in ends if guest for port in guest.on_networks):
        return True
    return bool(_networks(lab, source) & _networks(lab, target))


def _are_apart(lab: LabFile, source: str, target: str) -> bool:
    """Tell whether address scopes part two places; where nothing is in one, they do not."""
    ends = _scopes(lab, source), _scopes(lab, target)
    return ends[0] != ends[1] and any(ends[0] | ends[1])


def _scopes(lab: LabFile, name: str) -> frozenset[str | None]:
    """Name the address scopes that a guest is in; of what is no guest of a network it is not known."""
    subnets = [subnet for network in _networks(lab, name) for subnet in lab.networks[network].subnets.values()]
    return frozenset(lab.scope_of(subnet) for subnet in subnets)


def _is_limited(lab: LabFile, name: str) -> bool:
    guest = _guest_behind(lab, name)
    ports = guest.on_networks if guest else ()
    return any(port.qos_policy or lab.networks[port.network].qos_policy for port in ports)


def _guest_behind(lab: LabFile, name: str) -> GuestFile | None:
    floating = lab.floating_ips.get(name)
    return lab.guests.get((floating.guest or "") if floating else name)


def _networks(lab: LabFile, name: str) -> frozenset[str]:
    if name in lab.ports:
        return frozenset({lab.ports[name].network})
    guest = lab.guests.get(name)
    return frozenset(port.network for port in guest.on_networks) if guest else frozenset()


def _links(lab: LabFile, name: str) -> frozenset[str]:
    return frozenset(link for link, file in lab.links.items() for guest, _ in file.interfaces if guest == name)


def _addresses_on_links(lab: LabFile, name: str) -> Iterator[str]:
    for file in lab.guests[name].interfaces.values() if name in lab.guests else ():
        if isinstance(file, LinkEndFile):
            yield from file.addresses
