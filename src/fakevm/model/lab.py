"""A lab that runs, as it is written down in its folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal, NamedTuple


class HostRecord(NamedTuple):
    """An emulated host: its agents' release, its roles, its addresses on the management network and the underlay.

    ``agents``: the binaries whose agents Neutron must report alive before the host is ready.
    """

    name: str
    release: str
    roles: tuple[str, ...]
    management_address: str
    tunnel_address: str
    agents: tuple[str, ...] = ()


class LabRecord(NamedTuple):
    """What a lab's ``lab.json`` says; the file is 0600, as it holds the broker's password and ``token``.

    A tuple and not a ``Value``: ``fakevm exec`` reads it, and importing pydantic costs half of what exec may take.

    ``state``: ``unfinished`` is a lab whose Neutron answers, and of whose file something is not made (yet).
    ``pid`` is the process that holds the lab's namespaces open: its end is the lab's end. ``events_endpoint`` is where
    Neutron's events can be read (empty: the lab was started by a FakeVM that did not receive any). A lab without
    Neutron has an empty ``endpoint``, ``transport_url`` and ``release``. ``guest_kind`` is how guests are made of which
    nothing else is said (empty: by default). ``auth`` is that of its file: how Neutron's API knows who may ask, by
    ``token`` (labs of an earlier FakeVM: by nothing). ``identity`` and ``compute`` are where Keystone and the compute
    API are, if there are any.
    """

    name: str
    directory: Path
    state: Literal["starting", "unfinished", "up", "failed"]
    pid: int
    release: str
    backend: str
    datapath: str
    hosts: tuple[HostRecord, ...]
    endpoint: str = ""
    transport_url: str = ""
    events_endpoint: str = ""
    guest_kind: str = ""
    auth: str = "none"
    token: str = ""
    identity: str = ""
    compute: str = ""

    @property
    def neutron(self) -> bool:
        """Whether the lab has a Neutron."""
        return bool(self.endpoint)

    def agent_socket(self, host: str) -> Path:
        """Where a host's agent takes calls in a lab without Neutron."""
        return self.host_directory(host) / "agent/socket"

    def host_directory(self, host: str) -> Path:
        """Where a host keeps what it writes; its agent's state is in ``agent/guests/<guest id>.json`` there."""
        return self.directory / "hosts" / host

    def services(self) -> dict[str, Path]:
        """Where the supervised programs are: of each host by its name, of the lab itself by the empty name."""
        return {"": self.directory / "service"} | {
            host.name: self.host_directory(host.name) / "service" for host in self.hosts
        }

    def to_json(self) -> str:
        """Write the record."""
        hosts = [host._asdict() for host in self.hosts]
        return json.dumps(self._asdict() | {"directory": str(self.directory), "hosts": hosts}, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> LabRecord:
        """Read a record. Raises ValueError: it is none."""
        try:
            fields = json.loads(text)
            hosts = tuple(_host(host) for host in fields.pop("hosts"))
            return cls(**{**fields, "directory": Path(fields["directory"]), "hosts": hosts})
        except (TypeError, KeyError, AttributeError) as exc:
            raise ValueError(f"not a lab's record: {exc}") from exc


def _host(fields: dict[str, Any]) -> HostRecord:
    lists = {name: tuple(value) for name, value in fields.items() if isinstance(value, list)}
    return HostRecord(**{**fields, **lists})
