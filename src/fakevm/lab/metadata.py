"""The lab's metadata service: a program of the lab, and the guests that it is told of."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from fakevm import names
from fakevm.metadata.instance import guests_file
from fakevm.model.labfile import GuestFile
from fakevm.model.plan import LabPlan
from fakevm.model.program import Program

from . import files
from .part import Part

PORT = 8775
_NEEDED_BY = "metadata"


def write(plan: LabPlan, directory: Path) -> None:
    """Write the secret that the service shares with the metadata agents."""
    files.write(directory / "metadata/secret", plan.metadata_secret)


def write_guests(directory: Path, lab: str, guests: Mapping[str, GuestFile]) -> None:
    """Tell the service of the lab file's guests; it reads the file at each question."""
    told = {
        names.instance_id(lab, name): {"name": name, "user_data": guest.user_data, "keys": guest.keys}
        for name, guest in guests.items()
    }
    files.write(guests_file(directory), json.dumps(told, indent=2))


def programs(plan: LabPlan) -> tuple[Program, ...]:
    """The service, when a host has a metadata agent."""
    if not any(_NEEDED_BY in host.roles for host in plan.hosts):
        return ()
    command = (sys.executable, "-m", "fakevm.metadata", "/run/fakevm", plan.management_address, str(PORT))
    return (Program(name="metadata", command=command, held=False),)


class Metadata(Part):
    """Guests reach it through the hosts' metadata agents, and ask no sooner than they are there."""

    name = "metadata"
    program_names = ("metadata",)

    def write(self) -> None:
        """See Part."""
        write(self.plan, self.plan.directory)

    def programs(self) -> tuple[Program, ...]:
        """See Part."""
        return programs(self.plan)
