"""The lab file as its author wrote it, one noun per module: see docs/reference/lab-file.md."""

from __future__ import annotations

from .check import CheckFile
from .guest import GuestFile, PortFile
from .host import DEFAULT_HOSTS, Firewall, HostFile, L3Mode, Role
from .known import known
from .lab import Datapath, LabFile
from .network import NetworkFile, SubnetFile
from .options import Options
from .outside import ClientFile, OutsideFile
from .physical_network import PhysicalNetwork
from .qos import QosPolicyFile
from .router import FloatingIpFile, RouterFile
from .security import SecurityGroupFile

__all__ = [
    "DEFAULT_HOSTS",
    "CheckFile",
    "ClientFile",
    "Datapath",
    "Firewall",
    "FloatingIpFile",
    "GuestFile",
    "HostFile",
    "L3Mode",
    "LabFile",
    "NetworkFile",
    "Options",
    "OutsideFile",
    "PhysicalNetwork",
    "PortFile",
    "QosPolicyFile",
    "Role",
    "RouterFile",
    "SecurityGroupFile",
    "SubnetFile",
    "known",
]
