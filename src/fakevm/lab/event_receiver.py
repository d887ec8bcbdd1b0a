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


def endpoint(plan: LabPlan) -> str:
    """Give where Neutron is to send its events: nobody who does not know the secret can forge one."""
    return f"http://127.0.0.1:{PORT}/{plan.events_secret}/v2.1"


def write(plan: LabPlan, directory: Path) -> None:
    """Write the secret that is in the URLs of Neutron and of the lab's record."""
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
