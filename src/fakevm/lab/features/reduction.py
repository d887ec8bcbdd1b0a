"""The lab that is left of a file without the features that its backend lacks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

from fakevm.model.feature import FEATURES, Feature
from fakevm.model.labfile import GuestFile, LabFile, NetworkFile, PortFile, RouterFile, SubnetFile
from fakevm.model.labfile.check import Check

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
    left = _places(_with_needs(lab), lacks, left_out)
    for feature, (names, change) in _CHANGES.items():
        if feature in lacks and (named := names(left)):
            left_out.setdefault(feature, []).extend(named)
            left = change(left)
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

    floating = {
        name: wanted
        for name, wanted in lab.floating_ips.items()
        if wanted.network in lab.networks and wanted.guest in lab.guests
    }
    routers = {name: kept(router) for name, router in lab.routers.items()}
    return lab.model_copy(update={"routers": routers, "floating_ips": floating})


# -- one feature each ------------------------------------------------------------------------------------------


def _without_dhcp(lab: LabFile) -> LabFile:
    """Let guests have the addresses that Neutron gave them, without asking for them."""
    off: dict[str, Any] = {"dhcp": False, "ipv6_ra_mode": None, "ipv6_address_mode": None}

    def silent(net: NetworkFile) -> NetworkFile:
        subnets: dict[str, SubnetFile] = {name: subnet.model_copy(update=off) for name, subnet in net.subnets.items()}
        return net.model_copy(update={"subnets": subnets})

    def static(port: PortFile) -> PortFile:
        return port.model_copy(update={"addressing": "auto"}) if port.addressing == "dhcp" else port

    networks = {name: silent(net) for name, net in lab.networks.items()}
    return lab.model_copy(update={"networks": networks, "guests": _with_ports(lab, static)})


def _without_routers(lab: LabFile) -> LabFile:
    return lab.model_copy(update={"routers": {}, "floating_ips": {}})


def _without_floating_ips(lab: LabFile) -> LabFile:
    return lab.model_copy(update={"floating_ips": {}})


def _without_security_groups(lab: LabFile) -> LabFile:
    def plain(port: PortFile) -> PortFile:
        trunk = tuple(subport.model_copy(update={"security_groups": None}) for subport in port.trunk)
        return port.model_copy(update={"security_groups": None, "trunk": trunk})

    return lab.model_copy(update={"security_groups": {}, "guests": _with_ports(lab, plain)})


def _without_qos(lab: LabFile) -> LabFile:
    unlimited: dict[str, Any] = {"qos_policy": None}
    networks = {name: net.model_copy(update=unlimited) for name, net in lab.networks.items()}
    guests = _with_ports(lab, lambda port: port.model_copy(update=unlimited))
    return lab.model_copy(update={"qos_policies": {}, "networks": networks, "guests": guests})


def _with_ports(lab: LabFile, change: Callable[[PortFile], PortFile]) -> dict[str, GuestFile]:
    return {
        name: guest.model_copy(update={"ports": tuple(map(change, guest.ports))}) for name, guest in lab.guests.items()
    }


# What a feature makes of a file, by its names, and the file without it.
_CHANGES: dict[Feature, tuple[Callable[[LabFile], Named], Callable[[LabFile], LabFile]]] = {
    "dhcp": (lambda lab: [f"DHCP of {name}" for name, net in lab.subnets.items() if net.dhcp], _without_dhcp),
    "routers": (
        lambda lab: [
            *(f"router {name}" for name in lab.routers),
            *(f"floating IP {name}" for name in lab.floating_ips),
        ],
        _without_routers,
    ),
    "floating-ips": (lambda lab: [f"floating IP {name}" for name in lab.floating_ips], _without_floating_ips),
    "security-groups": (
        lambda lab: [f"security group {name}" for name in lab.security_groups],
        _without_security_groups,
    ),
    "qos": (lambda lab: [f"QoS policy {name}" for name in lab.qos_policies], _without_qos),
}
