"""What is known of a guest, from the lab file and from the agents of its hosts."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Instance:
    """A guest as its metadata tells it; ``keys`` are SSH public keys by name."""

    id: str
    name: str
    hostname: str = ""
    project_id: str = ""
    addresses: tuple[str, ...] = ()
    user_data: str = ""
    keys: dict[str, str] = field(default_factory=dict)


def find(lab: Path, instance_id: str) -> Instance | None:
    """Find a guest by its id: the agents know where it is plugged, the lab file what it was given.

    ``lab`` is the lab's folder. Files are read at each question, so that guests may come and go.
    """
    ports = [port for port in _ports(lab) if port["instance_id"] == instance_id]
    given = _given(lab).get(instance_id, {})
    if not ports and not given:
        return None
    addresses = tuple(fixed["address"] for port in ports for fixed in port["fixed_ips"])
    hostname = given.get("name") or next((port["hostname"] for port in ports), "") or instance_id
    return Instance(
        id=instance_id,
        name=given.get("name", hostname),
        hostname=hostname,
        project_id=next((port["project_id"] for port in ports), ""),
        addresses=addresses,
        user_data=given.get("user_data", ""),
        keys=given.get("keys", {}),
    )


def guests_file(lab: Path) -> Path:
    """Say where the guests of the lab file are: instance id → ``name``, ``user_data``, ``keys``."""
    return lab / "metadata/guests.json"


def _given(lab: Path) -> dict[str, Any]:
    with contextlib.suppress(OSError, ValueError):
        return dict(json.loads(guests_file(lab).read_text()))
    return {}


def _ports(lab: Path) -> list[dict[str, Any]]:
    found = []
    for path in sorted(lab.glob("hosts/*/agent/guests/*.json")):
        # An agent may be writing, or removing, just now.
        with contextlib.suppress(OSError, ValueError):
            attached = [nic["interface"]["attachment"] for nic in json.loads(path.read_text())["nics"]]
            # Else it is the end of a link.
            found += [to for to in attached if "network_id" in to]
    return found
