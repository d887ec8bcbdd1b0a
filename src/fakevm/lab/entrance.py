"""The one way into a guest of a lab, from the machine.

``exec`` starts with it: nothing heavy may be imported here.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from fakevm.errors import InvalidInput, NotFound
from fakevm.guest.place import Entrance, command_in_guest, container_entrance
from fakevm.model.lab import LabRecord
from fakevm.names import guest_file
from fakevm.vm.place import command_in_vm, console_of_vm

from .sandbox import enter_host


def enter_guest(lab: LabRecord, host: str, guest_id: str, command: Sequence[str]) -> list[str]:
    """Build the argv that runs a command in a guest. Raises NotFound; LabFailed: its host does not run."""
    entrance = entrance_of(lab, host, guest_id, parent=False)
    return [*entrance.reach, *entrance.inside, *command]


def entrance_of(lab: LabRecord, host: str, guest_id: str, *, parent: bool) -> Entrance:
    """Give the words before a command in a guest, for what is put around the command. Raises as ``enter_guest``.

    :param parent: that is the command's parent, and not the same process
    """
    record = _record(lab, host, guest_id)
    entrance = _entrance(lab, host, record, parent)
    return Entrance([*enter_host(lab, host), *entrance.reach], entrance.inside)


def enter_network(lab: LabRecord, host: str, guest_id: str, command: Sequence[str]) -> list[str]:
    """Build the argv that runs one of FakeVM's programs, or the machine's, in a guest's network. Raises likewise.

    The guest need not have it among its files; a virtual machine must.
    """
    record = _record(lab, host, guest_id)
    if record["guest"]["kind"] == "vm":
        return [*enter_host(lab, host), *command_in_vm(record["guest"]["namespace"], command)]
    return [*enter_host(lab, host), *command_in_guest(record["guest"]["namespace"], _first(record), command)]


def console_of(lab: LabRecord, host: str, guest_id: str) -> list[str]:
    """Build the argv that joins a virtual machine's console. Raises likewise; InvalidInput: it is none."""
    guest = _record(lab, host, guest_id)["guest"]
    if guest["kind"] != "vm":
        raise InvalidInput(
            f"{guest['name'] or guest_id} has no console: it is of the kind {guest['kind']}",
            hint="Log in to it: fakevm ssh, or fakevm exec -t … -- bash.",
        )
    return [*enter_host(lab, host), *console_of_vm(guest["namespace"])]


def _entrance(lab: LabRecord, host: str, record: dict[str, Any], parent: bool) -> Entrance:
    guest = record["guest"]
    if guest["kind"] == "namespace":
        return Entrance(command_in_guest(guest["namespace"], _first(record), ()), [])
    if guest["kind"] == "container":
        return container_entrance(guest["namespace"], parent=parent, limited=_is_limited(guest))
    if guest["kind"] == "vm":
        return Entrance([], command_in_vm(guest["namespace"], ()))
    return Entrance([], _of_its_kind(lab, host, guest["id"]))


def _is_limited(guest: dict[str, Any]) -> bool:
    # Records of earlier agents know of no limits.
    return any(guest["settings"].get("limits", {}).values())


def _of_its_kind(lab: LabRecord, host: str, guest_id: str) -> list[str]:
    """Ask a kind that a package brings."""
    from fakevm.agent.kinds import Kinds
    from fakevm.agent.store import Store

    folder = lab.host_directory(host) / "agent"
    record = Store(folder).get(guest_id)
    if record is None:
        raise _not_there(host, guest_id)
    return Kinds(host, folder).of(record.guest).command(record.guest, record.interfaces, ())


def _record(lab: LabRecord, host: str, guest_id: str) -> dict[str, Any]:
    """Read a guest's record, without what its agent needs to read it whole."""
    try:
        record: dict[str, Any] = json.loads(
            (lab.host_directory(host) / "agent/guests" / guest_file(guest_id)).read_text()
        )
    except FileNotFoundError as exc:
        raise _not_there(host, guest_id) from exc
    if record["state"] == "stopped":
        title = record["guest"]["name"] or guest_id
        raise NotFound(f"the guest {title} on {host} is stopped", hint=f"Start it: fakevm guest start {title}")
    return record


def _not_there(host: str, guest_id: str) -> NotFound:
    return NotFound(f"host {host} has no guest {guest_id}", hint="'fakevm guest list' shows where it is.")


def _first(record: dict[str, Any]) -> str:
    """Name a guest's first device, if it has one."""
    return next((nic["interface"]["name"] for nic in record["nics"]), "")
