"""From the lab file to the plan: defaults filled in, addresses given."""

from __future__ import annotations

import ipaddress
import secrets
from pathlib import Path

from fakevm.model.labfile import LabFile
from fakevm.model.plan import HostPlan, LabPlan

# 198.18.0.0/15 is set aside for tests of network devices (RFC 2544); it is seen inside the lab only.
MANAGEMENT = ipaddress.ip_network("198.18.0.0/16")
UNDERLAY = ipaddress.ip_network("198.19.0.0/16")


def make_plan(lab: LabFile, directory: Path, venv: Path, *, kernel_datapath: bool) -> LabPlan:
    """Give every host its addresses (the lab itself is the first of each network) and the lab its passwords."""
    hosts = tuple(
        HostPlan(
            name=name,
            index=index,
            roles=host.roles,
            firewall=host.firewall or lab.firewall,
            management_address=str(MANAGEMENT[index + 1]),
            tunnel_address=str(UNDERLAY[index + 1]),
        )
        for index, (name, host) in enumerate(lab.hosts.items(), start=1)
    )
    return LabPlan(
        name=lab.name,
        directory=directory,
        release=lab.release,
        backend=lab.backend,
        venv=venv,
        kernel_datapath=kernel_datapath,
        physical_networks=lab.physical_networks,
        hosts=hosts,
        management_address=str(MANAGEMENT[1]),
        broker_password=secrets.token_urlsafe(18),
        database_password=secrets.token_urlsafe(18),
    )
