"""A lab as it will be made: every default filled in, every address given."""

from __future__ import annotations

from pathlib import Path

from .labfile import Firewall, PhysicalNetwork, Role
from .value import Value


class HostPlan(Value):
    """A host to make; ``index`` counts from 1 and makes its addresses and link names.

    ``release`` and ``venv`` are those of its agents: they may be older than the server.
    """

    name: str
    index: int
    release: str
    venv: Path
    roles: tuple[Role, ...]
    firewall: Firewall
    management_address: str
    tunnel_address: str


class LabPlan(Value):
    """A lab to make.

    ``release`` is the server's, ``venv`` its virtual environment; ``kernel_datapath`` says whether Open vSwitch
    forwards in the kernel. The passwords are made per lab and stand in files of mode 0600 only.
    """

    name: str
    directory: Path
    release: str
    backend: str
    venv: Path
    kernel_datapath: bool
    physical_networks: dict[str, PhysicalNetwork]
    hosts: tuple[HostPlan, ...]
    management_address: str
    broker_password: str
    database_password: str

    @property
    def transport_url(self) -> str:
        """Where the broker is for what runs in the lab."""
        return f"rabbit://fakevm:{self.broker_password}@{self.management_address}:5672/"
