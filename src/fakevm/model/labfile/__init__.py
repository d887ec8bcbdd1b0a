"""The lab file as its author wrote it, one noun per module: see docs/reference/lab-file.md."""

from __future__ import annotations

from .bridge import BridgeFile
from .check import CheckFile
from .guest import GuestFile
from .host import DEFAULT_HOSTS, Firewall, HostFile, L3Mode, Role
from .interface import InterfaceFile, LinkEndFile
from .known import known
from .lab import Datapath, LabFile
from .link import LinkFile
from .network import NetworkFile, SubnetFile
from .options import Options
from .outside import ClientFile, OutsideFile
from .physical_network import PhysicalNetwork
from .port import PortFile
from .qos import QosPolicyFile
from .router import FloatingIpFile, RouterFile
from .security import SecurityGroupFile

__all__ = [
    "DEFAULT_HOSTS",
    "BridgeFile",
    "CheckFile",
    "ClientFile",
    "Datapath",
    "Firewall",
    "FloatingIpFile",
    "GuestFile",
    "HostFile",
    "InterfaceFile",
    "L3Mode",
    "LabFile",
    "LinkEndFile",
    "LinkFile",
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
