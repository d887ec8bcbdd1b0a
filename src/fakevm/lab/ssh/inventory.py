"""The guests of a lab as Ansible's inventory: as a file, and as what a script answers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fakevm.lab import files
from fakevm.lab.roster import Entry
from fakevm.model.lab import LabRecord

from . import client, keys

Variables = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Inventory:
    """The variables of guests, and which groups they are in, by their names."""

    variables: Variables
    groups: dict[str, list[str]]

    @classmethod
    def of(cls, lab: LabRecord, guests: Sequence[Entry]) -> Inventory:
        """Make it, and the file that it has ssh read, in the lab's folder. Raises LabFailed, Prerequisite, OSError."""
        names, ways = client.names_of(guests), client.jumps(lab)
        config = keys.folder(lab) / "config"
        text = client.config(lab, guests)
        files.write(config, text)
        variables: Variables = {}
        groups: dict[str, list[str]] = {}
        for guest in guests:
            name = names[guest.id]
            # Ansible reads it as Python's format, and gives ssh what comes of that.
            shared = client.shared(lab, guest.id, ways.get(guest.name)).get("ControlPath", "")
            shared = shared.strip('"').replace("%", "%%")
            variables[name] = {
                "ansible_user": "root",
                "ansible_ssh_common_args": f"-F '{config}'",
                # Its own names the user's connection by the guest's name alone: another lab may have that, too.
                **({"ansible_control_path": shared} if shared else {}),
                # Its files are the machine's; the first `python3` of root's shell may be somebody's own.
                **({"ansible_python_interpreter": "/usr/bin/python3"} if guest.kind == "namespace" else {}),
                "fakevm_id": guest.id,
                "fakevm_host": guest.host,
                "fakevm_kind": guest.kind,
            }
            for group in (f"host_{guest.host}", f"kind_{guest.kind}"):
                groups.setdefault(re.sub(r"\W", "_", group), []).append(name)
        return cls(variables, groups)

    def file(self) -> dict[str, Any]:
        """Give it as a file's (Ansible's plugin ``yaml``, which reads JSON, too)."""
        children = {group: _members(members) for group, members in self.groups.items()}
        return {"all": {"hosts": self.variables, "children": children}}

    def script(self) -> dict[str, Any]:
        """Give it as the answer of a script that is asked for all (``--list``)."""
        groups = {group: {"hosts": members} for group, members in self.groups.items()}
        every = {"hosts": list(self.variables), "children": list(self.groups)}
        return {"_meta": {"hostvars": self.variables}, "all": every, **groups}


def _members(names: Sequence[str]) -> Variables:
    return {"hosts": {name: {} for name in names}}
