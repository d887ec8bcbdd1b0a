"""The one way into a guest of a lab, from the machine.

``exec`` starts with it: nothing heavy may be imported here.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from fakevm.errors import NotFound
from fakevm.guest.place import command_in_guest
from fakevm.model.lab import LabRecord
from fakevm.names import guest_file

from .sandbox import enter_host


def enter_guest(lab: LabRecord, host: str, guest_id: str, command: Sequence[str]) -> list[str]:
    """Build the argv that runs a command in a guest. Raises NotFound; LabFailed: its host does not run."""
    namespace, device = _place(lab, host, guest_id)
    return [*enter_host(lab, host), *command_in_guest(namespace, device, command)]


def _place(lab: LabRecord, host: str, guest_id: str) -> tuple[str, str]:
    """Read a guest's namespace and its first device, without what its agent needs to read its record whole."""
    try:
        record = json.loads((lab.host_directory(host) / "agent/guests" / guest_file(guest_id)).read_text())
    except FileNotFoundError as exc:
        raise NotFound(f"host {host} has no guest {guest_id}", hint="'fakevm guest list' shows where it is.") from exc
    if record["state"] == "stopped":
        title = record["guest"]["name"] or guest_id
        raise NotFound(f"the guest {title} on {host} is stopped", hint=f"Start it: fakevm guest start {title}")
    first = next((nic["interface"]["name"] for nic in record["nics"]), "")
    return record["guest"]["namespace"], first
