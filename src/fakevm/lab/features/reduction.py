"""The lab that is left of a file without the features that its backend lacks."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from fakevm.model.feature import FEATURES, Feature
from fakevm.model.labfile import FloatingIpFile, GuestFile, LabFile, NetworkFile, PortFile, RouterFile, SubnetFile
from fakevm.model.labfile.check import Check
from fakevm.model.labfile.reference import forgetting

from . import need

Named = list[str]


class Reduced(NamedTuple):
    """What is left, and what is not, by the feature that it needs."""

    lab: LabFile
    left_out: dict[Feature, Named]


def without(lab: LabFile, lacks: Collection[Feature]) -> Reduced:
    """Leave out of a file what needs a feature that is lacking, and what needs something that is left out.

    All checks stay: each keeps what it needs in the whole file (``needs``), so that it can be skipped.
    """
    if not lacks:
        return Reduced(lab, {})
    left_out: dict[Feature, Named] = {}
    told = _with_needs(lab)
    left = _places(told, lacks, left_out)
    for feature in (feature for feature in FEATURES if feature in lacks):
        left, named = _without(left, feature)
        if named:
            left_out.setdefault(feature, []).extend(named)
    if not left_out and not any(first(check.needs or (), lacks) for check in told.checks.values()):
        return Reduced(lab, {})
    return Reduced(_whole(left), left_out)


def first(needed: Collection[Feature], lacks: Collection[Feature]) -> Feature | None:
    """Give the first of the needed features that is lacking."""
    return next((feature for feature in FEATURES if feature in needed and feature in lacks), None)


def words(reduced: Reduced, backend: str, lacks: Mapping[Feature, str]) -> list[str]:
    """Say what is left out, and why."""
    return [
        f"left out: {', '.join(named)}; {backend} lacks {feature}: {lacks[feature]}"
        for feature, named in reduced.left_out.items()
    ]


def _with_needs(lab: LabFile) -> LabFile:
    checks: dict[str, Check] = {
        name: check.model_copy(update={"needs": tuple(sorted(need.of_check(lab, check)))})
        for name, check in lab.checks.items()
    }
    return lab.model_copy(update={"checks": checks})


def _places(lab: LabFile, lacks: Collection[Feature], left_out: dict[Feature, Named]) -> LabFile:
    """Keep the networks and guests that can be there."""

    def fits(name: str, needed: need.Needs) -> bool:
        missing = first(needed, lacks)
        if missing:
            left_out.setdefault(missing, []).append(name)
        return missing is None

    networks = {name: net for name, net in lab.networks.items() if fits(f"network {name}", need.of_network(net))}
    guests = {name: guest for name, guest in lab.guests.items() if fits(f"guest {name}", need.of_guest(lab, guest))}
    return lab.model_copy(update={"networks": networks, "guests": guests})


def _whole(lab: LabFile) -> LabFile:
    """Leave out what refers to what is not there any more."""

    def kept(router: RouterFile) -> RouterFile:
        legs = tuple(leg for leg in router.interfaces if leg.subnet in lab.subnets)
        gateway = router.external_gateway
        leads = gateway if gateway and gateway.network in lab.networks else None
        return router.model_copy(update={"interfaces": legs, "external_gateway": leads})

    ports = {name: port for name, port in lab.ports.items() if port.network in lab.networks}
    lab = lab.model_copy(update={"ports": ports})
    floating = {
        name: _leading(wanted, lab)
        for name, wanted in lab.floating_ips.items()
        if wanted.network in lab.networks and wanted.is_left_in(lab)
    }
    lab = _with_choices(lab)
    links = {name: link for name, link in lab.links.items() if all(g in lab.guests for g, _ in link.interfaces)}
    routers = {name: kept(router) for name, router in lab.routers.items()}
    return lab.model_copy(update={"routers": routers, "floating_ips": floating, "links": links})


def _with_choices(lab: LabFile) -> LabFile:
    """Keep what is for a port that is there: local IPs with those that they lead to, NDP proxies, packet logs."""
    local_ips = {
        name: local.model_copy(update={"ports": tuple(port for port in local.ports if port.is_left_in(lab))})
        for name, local in lab.local_ips.items()
        if local.network in lab.networks
    }
    proxies = {
        name: proxy for name, proxy in lab.ndp_proxies.items() if proxy.is_left_in(lab) and proxy.router in lab.routers
    }
    logs = {name: log for name, log in lab.packet_logs.items() if log.is_left_in(lab)}
    return lab.model_copy(update={"local_ips": local_ips, "ndp_proxies": proxies, "packet_logs": logs})


def _leading(floating: FloatingIpFile, lab: LabFile) -> FloatingIpFile:
    """Keep the forwardings that lead to what is there."""
    kept = tuple(one for one in floating.port_forwardings if one.is_left_in(lab))
    return floating.model_copy(update={"port_forwardings": kept}) if kept != floating.port_forwardings else floating


# -- one feature ------------------------------------------------------------------------------------------------


def _without(lab: LabFile, feature: Feature) -> tuple[LabFile, Named]:
    """Leave out what needs a feature, and what refers to it; tells what that is."""
    if feature == "dhcp":
        return _without_dhcp(lab), [f"DHCP of {name}" for name, net in lab.subnets.items() if net.dhcp]
    kinds = {key: value.kinds[0].name for key, value in LabFile.sections().items() if feature in value.features}
    named = [f"{kinds[key]} {name}" for key, name, _ in lab.resources() if key in kinds]
    left = lab.model_copy(update={key: {} for key in kinds})
    left, parts = _without_parts(left, feature)
    return (forgetting(left, frozenset(kinds.values())) if named else left), named + parts


def _without_parts(lab: LabFile, feature: Feature) -> tuple[LabFile, Named]:
    """Leave out of what can be there those parts that need a feature."""
    named: Named = []
    changed: dict[str, dict[str, Any]] = {}
    for key, name, value in lab.resources():
        left, parts = value.without(feature)
        if parts:
            changed.setdefault(key, dict(getattr(lab, key)))[name] = left
            named += [f"{part} of {value.kinds[0].name} {name}" for part in parts]
    return lab.model_copy(update=changed), named


def _without_dhcp(lab: LabFile) -> LabFile:
    """Let guests have the addresses that Neutron gave them, without asking for them."""
    off: dict[str, Any] = {"dhcp": False, "ipv6_ra_mode": None, "ipv6_address_mode": None}

    def silent(net: NetworkFile) -> NetworkFile:
        subnets: dict[str, SubnetFile] = {name: subnet.model_copy(update=off) for name, subnet in net.subnets.items()}
        return net.model_copy(update={"subnets": subnets})

    def static(file: PortFile) -> PortFile:
        return file.model_copy(update={"addressing": "auto"}) if file.addressing == "dhcp" else file

    def unasking(guest: GuestFile) -> GuestFile:
        interfaces = {d: static(i) if isinstance(i, PortFile) else i for d, i in guest.interfaces.items()}
        return guest.model_copy(update={"ports": tuple(map(static, guest.ports)), "interfaces": interfaces})

    networks = {name: silent(net) for name, net in lab.networks.items()}
    guests = {name: unasking(guest) for name, guest in lab.guests.items()}
    return lab.model_copy(update={"networks": networks, "guests": guests})
