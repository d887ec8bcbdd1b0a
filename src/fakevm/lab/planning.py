"""From the lab file to the plan: defaults filled in, addresses given."""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fakevm import names
from fakevm.backend.base import Backend
from fakevm.errors import InvalidInput
from fakevm.model.labfile import LabFile
from fakevm.model.labfile.options import options_of
from fakevm.model.plan import HostPlan, LabPlan

from . import keystone, outside, releases, warm
from .doors import Doors
from .services import loading

# 198.18.0.0/15 is set aside for tests of network devices (RFC 2544); it is seen inside the lab only.
MANAGEMENT = ipaddress.ip_network("198.18.0.0/16")
UNDERLAY = ipaddress.ip_network("198.19.0.0/16")


# Neutron's own bridges and the backend's, which a provider bridge must not be taken for.
RESERVED_BRIDGES = ("br-int", "br-tun", "br-underlay", "br-mgmt")


def completed(lab: LabFile, backend: Backend) -> LabFile:
    """Give a lab file in its backend's words, with what it leaves to it: release, firewall, hosts.

    Raises NotFound, and InvalidInput when the backend does not run with a release.
    """
    if not lab.neutron:
        return with_hosts(lab, backend)
    if "firewall" not in lab.model_fields_set:
        lab = lab.model_copy(update={"firewall": backend.firewalls[0]})
    filled = releases.resolved(with_hosts(releases.chosen(backend, backend.understood(lab)), backend))
    releases.refuse_without(backend, filled)
    return filled


def with_hosts(lab: LabFile, backend: Backend) -> LabFile:
    """Give a lab whose file names no hosts those that its backend is best shown with."""
    if "hosts" in lab.model_fields_set:
        return lab
    return lab.model_copy(update={"hosts": dict(backend.default_hosts)})


def make_plan(lab: LabFile, directory: Path, venvs: Mapping[str, Path], *, kernel_datapath: bool) -> LabPlan:
    """Give every host its addresses (the lab itself is the first of each network) and the lab its passwords.

    ``venvs`` has the virtual environments that the file needs, by their names.
    Raises InvalidInput when two physical networks would need devices of the same name, or a tree cannot be installed.
    """
    _check_device_names(lab)
    chosen = {written: made.name for written, made in releases.environments(lab).items()}

    def neutron(written: releases.Written) -> dict[str, Any]:
        """Give the fields that say whose Neutron runs; none without one."""
        return {"release": chosen[written], "venv": venvs[chosen[written]]} if lab.neutron else {}

    hosts = tuple(
        HostPlan(
            name=name,
            roles=host.roles,
            firewall=host.firewall or lab.firewall,
            l3_mode=host.l3_mode,
            zone=host.zone or "",
            **neutron(host.release or lab.release),
            config=host.config,
            physical_networks=host.physical_networks,
            **addresses(index),
        )
        for index, (name, host) in enumerate(lab.hosts.items(), start=1)
    )
    return LabPlan(
        name=lab.name,
        directory=directory,
        neutron=lab.neutron,
        backend=lab.backend,
        kernel_datapath=kernel_datapath,
        physical_networks=lab.physical_networks if lab.neutron else {},
        underlay_mtu=lab.underlay.mtu,
        networks=lab.networks,
        service_plugins=tuple(dict.fromkeys((*lab.service_plugins, *loading.plugins(lab)))),
        services=loading.of(lab),
        hosts=hosts,
        management_address=str(MANAGEMENT[1]),
        broker_password=secrets.token_urlsafe(18),
        database_password=secrets.token_urlsafe(18),
        metadata_secret=secrets.token_urlsafe(18),
        events_secret=secrets.token_urlsafe(18),
        auth=lab.auth,
        token=secrets.token_urlsafe(24) if lab.neutron and lab.auth == "token" else "",
        identity=keystone.planned(name, venvs[name]) if (name := releases.keystone(lab)) else None,
        compute_api=lab.compute_api,
        options=options_of(lab),
        config=lab.config,
        outside=outside.plan(lab),
        # Agents alone import little: a warmed process would import the same first.
        warm=warm.is_wanted(lab) and lab.neutron,
        **neutron(lab.release),
    )


def placed(plan: LabPlan, directory: Path, venvs: Mapping[str, Path]) -> LabPlan:
    """Give a plan its place: the lab's folder, and the environments, which may have been installed meanwhile."""
    if plan.neutron:
        hosts = tuple(host.model_copy(update={"venv": venvs[host.release]}) for host in plan.hosts)
        plan = plan.model_copy(update={"venv": venvs[plan.release], "hosts": hosts})
    if plan.identity:
        own = plan.identity.model_copy(update={"venv": venvs[plan.identity.environment]})
        plan = plan.model_copy(update={"identity": own})
    return plan.model_copy(update={"directory": directory})


def reached(plan: LabPlan, ports: Doors) -> LabPlan:
    """Give a plan the ports of its doors, where its programs must know them: Keystone's catalogue names them."""
    if plan.identity is None:
        return plan
    numbers = {"port": ports.keystone, "api_port": ports.api, "compute_port": ports.compute}
    own = plan.identity.model_copy(update=numbers)
    return plan.model_copy(update={"identity": own})


def addresses(index: int) -> dict[str, Any]:
    """Give the fields of a host's plan that its number makes; the lab itself has the first address of each network."""
    return {
        "index": index,
        "management_address": str(MANAGEMENT[index + 1]),
        "tunnel_address": str(UNDERLAY[index + 1]),
    }


def number_of(management_address: str) -> int:
    """Give the number of the host that has this address."""
    return int(ipaddress.ip_address(management_address)) - int(MANAGEMENT[1])


def _check_device_names(lab: LabFile) -> None:
    """Device names are cut at 15 characters, so names of networks may differ and those of their devices not."""
    taken: dict[str, str] = dict.fromkeys(RESERVED_BRIDGES, "something else")
    for net in lab.physical_networks:
        devices = (
            names.physical_bridge(net),
            names.physical_network_bridge(net),
            names.physical_port(net),
            names.physical_peer(len(lab.hosts), net),
            names.outside_leg(net),
            names.outside_peer(net),
        )
        for device in devices:
            if device in taken:
                raise InvalidInput(
                    f"physical network {net!r} needs a device {device!r}, which {taken[device]} has",
                    hint="Give the network a shorter or another name.",
                    at=("physical_networks", net),
                )
            taken[device] = f"physical network {net!r}"
