"""The lab file as its author wrote it: see docs/reference/lab-file.md."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, field_validator

from .value import Value

# Host names are part of namespace and device names, and a lab's name is its folder's.
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,30}$")]
VlanId = Annotated[int, Field(ge=1, le=4094)]

Role = Literal["compute", "dhcp"]
Datapath = Literal["auto", "kernel", "userspace"]
Firewall = Literal["openvswitch", "iptables_hybrid", "noop"]


class PhysicalNetwork(Value):
    """A network that joins the provider bridges of all hosts; ``vlans`` are the ids Neutron may hand out."""

    vlans: tuple[VlanId, VlanId] | None = None

    @field_validator("vlans")
    @classmethod
    def _in_order(cls, vlans: tuple[int, int] | None) -> tuple[int, int] | None:
        if vlans and vlans[0] > vlans[1]:
            raise ValueError("the first VLAN id must not be above the last")
        return vlans


class HostFile(Value):
    """A host: its roles, and settings of its own that win over the lab's."""

    roles: tuple[Role, ...] = ("compute",)
    firewall: Firewall | None = None

    @field_validator("roles")
    @classmethod
    def _some_roles(cls, roles: tuple[str, ...]) -> tuple[str, ...]:
        if not roles:
            raise ValueError("a host needs at least one role")
        return roles


DEFAULT_HOSTS = {
    "compute1": HostFile(),
    "compute2": HostFile(),
    "network1": HostFile(roles=("dhcp",)),
}


class LabFile(Value):
    """A whole lab file. Every key has a default, so an empty file is the default lab."""

    name: Name = "lab"
    release: str = "29.0.0"
    backend: str = "ovs"
    datapath: Datapath = "auto"
    firewall: Firewall = "openvswitch"
    physical_networks: dict[Name, PhysicalNetwork] = {"physnet1": PhysicalNetwork(vlans=(100, 199))}
    hosts: dict[Name, HostFile] = DEFAULT_HOSTS

    @field_validator("hosts")
    @classmethod
    def _some_hosts(cls, hosts: dict[str, HostFile]) -> dict[str, HostFile]:
        if not hosts:
            raise ValueError("a lab needs at least one host")
        if "lab" in hosts:
            raise ValueError("a host cannot be called 'lab': in `fakevm lab exec` 'lab' is the lab itself")
        return hosts
