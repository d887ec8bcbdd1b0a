"""The one way into a guest of a lab, from the machine.

``exec`` starts with it: nothing heavy may be imported here.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from fakevm import names
from fakevm.guest.namespace import command_in_guest
from fakevm.model.lab import LabRecord

from .sandbox import enter_host


def enter_guest(lab: LabRecord, host: str, port_id: str, command: Sequence[str]) -> list[str]:
    """Build the argv that runs a command in the guest of a port. Raises LabFailed: its host does not run."""
    namespace = names.guest_namespace(host, _first_port(lab, host, port_id))
    return [*enter_host(lab, host), *command_in_guest(namespace, port_id, command)]


def _first_port(lab: LabRecord, host: str, port_id: str) -> str:
    """Say after which port the guest of a port is named: one with several ports after its first."""
    record = lab.host_directory(host) / f"agent/guests/{port_id}.json"
    try:
        return json.loads(record.read_text())["port"].get("beside") or port_id
    except (OSError, ValueError, KeyError):
        # Being removed just now: then it is not there for the command either.
        return port_id
