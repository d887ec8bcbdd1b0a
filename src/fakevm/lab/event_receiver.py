"""The lab's receiver of what Neutron tells Nova: FakeVM's own program, from the environment that starts the lab."""

from __future__ import annotations

import sys
from pathlib import Path

from fakevm.model.plan import LabPlan
from fakevm.model.program import Program

from . import files
from .doors import Doors
from .part import Part

# Nova's own port.
PORT = 8774
_SECRET = "events/secret"


def settings(plan: LabPlan) -> dict[str, object]:
    """Give the section ``nova`` of Neutron: where it is to send its events, with the secret of those who may."""
    return {"auth_type": "admin_token", "endpoint": f"http://127.0.0.1:{PORT}/v2.1", "token": plan.events_secret}


def write(plan: LabPlan, directory: Path) -> None:
    """Write the secret that Neutron has as its token, and the lab's record in its URL."""
    files.write(directory / _SECRET, plan.events_secret)


def programs() -> tuple[Program, ...]:
    """The receiver: Neutron finds it in the lab, commands at the machine's loopback (the inherited descriptor 5)."""
    listening = ("--listen", f"127.0.0.1:{PORT}", "--listen-fd", "5", "--secret-file", f"/run/fakevm/{_SECRET}")
    # It is there before Neutron, which does not try for long.
    command = (f"{Path(sys.prefix)}/bin/neutron-fakevm-events", *listening)
    return (Program(name="events", command=command, descriptors=(5,), held=False),)


class Events(Part):
    """It is there before Neutron, which does not try for long."""

    name = "events"
    program_names = ("events",)
    door = "events"

    def write(self) -> None:
        """See Part."""
        write(self.plan, self.plan.directory)

    def programs(self) -> tuple[Program, ...]:
        """See Part."""
        return programs()

    def recorded(self, ports: Doors) -> dict[str, str]:
        """See Part."""
        return {"events_endpoint": f"http://127.0.0.1:{ports.events}/{self.plan.events_secret}"}
