"""Neutron's agents that a host runs for its roles: programs, and what they need in their files."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from fakevm.backend.base import Backend, Requirement
from fakevm.model import config
from fakevm.model.labfile import LabFile
from fakevm.model.plan import HostPlan, LabPlan
from fakevm.model.program import Program

from . import metadata, sandbox

# What the L3 agent calls; keepalived and radvd only when routers need them, but then it is too late to say so.
_NEEDED_BY_L3 = (
    Requirement("iptables", "iptables"),
    Requirement("conntrack", "conntrack"),
    Requirement("arping", "arping"),
    Requirement("keepalived", "keepalived"),
    Requirement("radvd", "radvd"),
)


def requirements(backend: Backend, lab: LabFile) -> tuple[Requirement, ...]:
    """Give what the roles of a lab's hosts need of the machine."""
    with_l3 = "l3" in backend.role_agents and any("l3" in host.roles for host in lab.hosts.values())
    return _NEEDED_BY_L3 if with_l3 else ()


def programs(venv: Path, backend: Backend, agents: Collection[str], home: str) -> tuple[Program, ...]:
    """Give the agents' programs; ``home`` is the host's folder as it sees it."""
    # The L3 agent starts neutron-keepalived-state-change by its name.
    environment = {"PATH": f"{venv}/bin:{sandbox.PATH}", **backend.environment()}
    return tuple(
        Program(
            name=name,
            command=(f"{venv}/bin/{name}", *config.arguments(home, config.of_agent(name))),
            environment=environment,
        )
        for name in agents
    )


def settings(
    plan: LabPlan, host: HostPlan, roles: Collection[str], home: str, *, interface_driver: str = "openvswitch"
) -> dict[str, object]:
    """Give the options of all of them; ``home`` is the host's folder as it sees it."""
    with_metadata = "metadata" in roles
    return {
        "interface_driver": interface_driver,
        "dhcp_driver": "neutron.agent.linux.dhcp.Dnsmasq",
        "dnsmasq_config_file": f"{home}/dnsmasq.conf",
        "resync_interval": 5,
        # Where no router does it, the DHCP agent's namespace leads to the metadata agent of its own host.
        "enable_isolated_metadata": with_metadata,
        "agent_mode": host.l3_mode,
        "enable_metadata_proxy": with_metadata,
        "ha_vrrp_auth_password": plan.metadata_secret[:8],
        "nova_metadata_host": plan.management_address,
        "nova_metadata_port": metadata.PORT,
        "metadata_proxy_shared_secret": plan.metadata_secret,
        "metadata_workers": 1,
    }
