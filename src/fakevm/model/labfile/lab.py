"""The lab file as a whole."""

from __future__ import annotations

from typing import Literal

from pydantic import field_validator

from fakevm.model.value import Value

from .host import DEFAULT_HOSTS, Firewall, HostFile
from .physical_network import PhysicalNetwork
from .word import Name

Datapath = Literal["auto", "kernel", "userspace"]


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
