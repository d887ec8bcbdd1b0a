"""What is known of a guest: from the lab file or the compute API, and from the agents of its hosts."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fakevm import names


@dataclass(frozen=True)
class Told:
    """What is told of a guest beside where it is plugged; ``keys`` are SSH public keys by name.

    ``user_data`` is text; what begins as gzip's files do is bytes, a character each (Latin-1). ``public_ipv4`` is its
    floating IP. The rest are Nova's words (nova.api.metadata.base).
    """

    id: str
    name: str
    hostname: str = ""
    project_id: str = ""
    user_data: str = ""
    keys: dict[str, str] = field(default_factory=dict)
    meta: dict[str, str] = field(default_factory=dict)
    availability_zone: str = "nova"
    flavor: str = ""
    image: str = ""
    security_groups: tuple[str, ...] = ("default",)
    reservation_id: str = ""
    launch_index: int = 0
    public_ipv4: str = ""


@dataclass(frozen=True)
class Nic:
    """An interface of a guest's on a network; ``addresses`` are those that Neutron gave it, as the agents know them."""

    id: str
    network_id: str
    mac_address: str
    mtu: int
    addresses: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class Instance(Told):
    """A guest as its metadata tells it."""

    nics: tuple[Nic, ...] = ()

    @property
    def addresses(self) -> tuple[str, ...]:
        """The addresses of its ports, in their order."""
        return tuple(str(fixed["address"]) for nic in self.nics for fixed in nic.addresses)


def find(lab: Path, instance_id: str) -> Instance | None:
    """Find a guest by its id: the agents know where it is plugged, others what it was given.

    ``lab`` is the lab's folder. Files are read at each question, so that guests may come and go.
    """
    ports = [port for port in _ports(lab) if port["instance_id"] == instance_id]
    given = _read(_server_file(lab, instance_id)) or _read(guests_file(lab)).get(instance_id, {})
    if not ports and not given:
        return None
    told: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in given.items()}
    hostname = told.get("hostname") or told.get("name") or next((port["hostname"] for port in ports), "")
    told |= {"id": instance_id, "hostname": hostname or instance_id}
    told["name"] = told.get("name") or told["hostname"]
    told["project_id"] = told.get("project_id") or next((port["project_id"] for port in ports), "")
    return Instance(**told, nics=tuple(_nic(port) for port in ports))


def guests_file(lab: Path) -> Path:
    """Say where the guests of the lab file are: instance id → fields of ``Told``."""
    return lab / "metadata/guests.json"


def tell(lab: Path, told: Told) -> None:
    """Tell the service of a lab of a guest that no file has, or tell it anew. Raises OSError."""
    file = _server_file(lab, told.id)
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, new = tempfile.mkstemp(prefix=".new-", dir=file.parent)
    try:
        with os.fdopen(descriptor, "w") as output:
            json.dump(dataclasses.asdict(told), output)
        Path(new).rename(file)
    except BaseException:
        Path(new).unlink(missing_ok=True)
        raise


def forget(lab: Path, instance_id: str) -> None:
    """Take back what was told of a guest; nothing is no error. Raises OSError."""
    _server_file(lab, instance_id).unlink(missing_ok=True)


def _server_file(lab: Path, instance_id: str) -> Path:
    return lab / "metadata/servers" / names.guest_file(instance_id)


def _read(file: Path) -> dict[str, Any]:
    with contextlib.suppress(OSError, ValueError):
        return dict(json.loads(file.read_text()))
    return {}


def _nic(port: dict[str, Any]) -> Nic:
    return Nic(
        id=port["id"],
        network_id=port["network_id"],
        mac_address=port["mac_address"],
        mtu=port["mtu"],
        addresses=tuple(port["fixed_ips"]),
    )


def _ports(lab: Path) -> list[dict[str, Any]]:
    found = []
    for path in sorted(lab.glob("hosts/*/agent/guests/*.json")):
        # An agent may be writing, or removing, just now.
        with contextlib.suppress(OSError, ValueError):
            attached = [nic["interface"]["attachment"] for nic in json.loads(path.read_text())["nics"]]
            # Else it is the end of a link.
            found += [to for to in attached if "network_id" in to]
    return found
