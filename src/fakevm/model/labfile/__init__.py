"""The lab file as its author wrote it, one noun per module: see docs/reference/lab-file.md."""

from __future__ import annotations

from .host import Firewall, HostFile, Role
from .lab import Datapath, LabFile
from .physical_network import PhysicalNetwork

__all__ = ["Datapath", "Firewall", "HostFile", "LabFile", "PhysicalNetwork", "Role"]
