"""A lab that runs, as it is written down in its folder."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from .value import Value


class HostRecord(Value):
    """An emulated host: its roles, and its addresses on the management network and the underlay."""

    name: str
    roles: tuple[str, ...]
    management_address: str
    tunnel_address: str


class LabRecord(Value):
    """What a lab's ``lab.json`` says; the file is 0600, as ``transport_url`` holds the broker's password.

    ``pid`` is the process that holds the lab's namespaces open: its end is the lab's end.
    """

    name: str
    directory: Path
    state: Literal["starting", "up", "failed"]
    pid: int
    endpoint: str
    transport_url: str
    release: str
    backend: str
    datapath: str
    hosts: tuple[HostRecord, ...]

    def host_directory(self, host: str) -> Path:
        """Where a host keeps what it writes; its agent's state is in ``agent/guests/<port-id>.json`` there."""
        return self.directory / "hosts" / host

    def services(self) -> dict[str, Path]:
        """Where the supervised programs are: of each host by its name, of the lab itself by the empty name."""
        return {"": self.directory / "service"} | {
            host.name: self.host_directory(host.name) / "service" for host in self.hosts
        }
