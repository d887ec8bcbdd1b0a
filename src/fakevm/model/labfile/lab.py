"""The lab file as a whole."""

from __future__ import annotations

from typing import Literal

from pydantic import ValidationInfo, field_validator, model_validator

from fakevm.model.value import Value

from .check import CheckFile
from .guest import GuestFile
from .host import DEFAULT_HOSTS, Firewall, HostFile
from .network import NetworkFile, SubnetFile
from .openflow import OpenflowFile
from .outside import OutsideFile
from .physical_network import DEFAULT_PHYSICAL_NETWORKS, PhysicalNetwork
from .qos import QosPolicyFile
from .reference import BackendName
from .release import ReleaseName
from .router import FloatingIpFile, RouterFile
from .security import SecurityGroupFile
from .word import Name, ResourceName, require_unique

Datapath = Literal["auto", "kernel", "userspace"]

# Words that already mean something where a host or a guest is named.
RESERVED_HOSTS = {
    "lab": "in `fakevm lab exec` 'lab' is the lab itself",
    "outside": "'outside' is the world behind the external networks",
}


# The backends whose routers are those of Neutron's L3 agent.
ROUTED_BY_AGENTS = ("ovs", "linuxbridge", "openflow")


class LabFile(Value):
    """A whole lab file. Every key has a default, so an empty file is the default lab."""

    name: Name = "lab"
    release: ReleaseName = "29.0.0"
    backend: BackendName = "ovs"
    datapath: Datapath = "auto"
    firewall: Firewall = "openvswitch"
    openflow: OpenflowFile = OpenflowFile()
    physical_networks: dict[Name, PhysicalNetwork] = DEFAULT_PHYSICAL_NETWORKS
    hosts: dict[Name, HostFile] = DEFAULT_HOSTS
    outside: OutsideFile = OutsideFile()
    networks: dict[ResourceName, NetworkFile] = {}
    routers: dict[ResourceName, RouterFile] = {}
    security_groups: dict[ResourceName, SecurityGroupFile] = {}
    qos_policies: dict[ResourceName, QosPolicyFile] = {}
    guests: dict[Name, GuestFile] = {}
    floating_ips: dict[ResourceName, FloatingIpFile] = {}
    checks: dict[str, CheckFile] = {}

    @field_validator("hosts")
    @classmethod
    def _some_hosts(cls, hosts: dict[str, HostFile]) -> dict[str, HostFile]:
        if not hosts:
            raise ValueError("a lab needs at least one host")
        for name, reason in RESERVED_HOSTS.items():
            if name in hosts:
                raise ValueError(f"a host cannot be called {name!r}: {reason}")
        return hosts

    @field_validator("networks")
    @classmethod
    def _unique_subnets(cls, networks: dict[str, NetworkFile]) -> dict[str, NetworkFile]:
        require_unique(tuple(name for network in networks.values() for name in network.subnets), "the subnet")
        return networks

    @field_validator("routers")
    @classmethod
    def _routers_have_agents(cls, routers: dict[str, RouterFile], info: ValidationInfo) -> dict[str, RouterFile]:
        """Refuse routers that no agent would serve; OVN's own daemons do it everywhere."""
        hosts: dict[str, HostFile] | None = info.data.get("hosts")
        if hosts is None or info.data.get("backend") not in ROUTED_BY_AGENTS:
            return routers
        modes = {host.l3_mode for host in hosts.values() if "l3" in host.roles}
        if routers and not modes:
            raise ValueError("routers need a host with the role l3")
        distributed = [name for name, router in routers.items() if router.distributed]
        if distributed and "dvr_snat" not in modes:
            raise ValueError(
                f"the distributed router {distributed[0]!r} needs a host with the role l3, l3_mode dvr_snat"
            )
        return routers

    @model_validator(mode="after")
    def _endpoints_differ(self) -> LabFile:
        """A check says ``to: NAME``: it must be clear what that is."""
        require_unique((*self.guests, *self.floating_ips, *self.outside.clients), "among guests, floating IPs, clients")
        return self

    @property
    def subnets(self) -> dict[str, SubnetFile]:
        """All subnets by name."""
        return {name: subnet for network in self.networks.values() for name, subnet in network.subnets.items()}

    @property
    def external_networks(self) -> dict[str, NetworkFile]:
        """The networks that lead outside."""
        return {name: network for name, network in self.networks.items() if network.external}
