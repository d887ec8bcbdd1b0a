"""The lab's compute API: FakeVM's own program in Nova's place, and in Glance's (ADR 0062)."""

from __future__ import annotations

import http.client
import json
import sys

from fakevm.control.transport import fetch
from fakevm.model.lab import LabRecord
from fakevm.model.plan import LabPlan
from fakevm.model.program import Program

from . import event_receiver, files, keystone, readiness
from .doors import Doors
from .part import Part, Run

NAME = "compute-api"
_FOLDER = "compute"
_DOOR = 7


def answers(record: LabRecord) -> str:
    """Say why the compute API does not answer; empty when it does."""
    try:
        # Of what is there at all, anybody may know.
        fetch(record.compute.removesuffix("v2.1"), timeout=10)
    except (http.client.HTTPException, OSError) as exc:
        return f"GET {record.compute}: {exc}"
    return ""


class ComputeApi(Part):
    """It begins when Neutron answers, while the hosts come up: nothing of the lab asks it."""

    name = NAME
    program_names = (NAME,)
    title = "the compute API"
    door = "compute"
    needs = ("server",)

    @classmethod
    def is_wanted(cls, plan: LabPlan) -> bool:
        """See Part."""
        return plan.compute_api

    def write(self) -> None:
        """See Part."""
        assert self.plan.identity is not None
        told = {
            "transport_url": self.plan.transport_url,
            "events_endpoint": f"http://127.0.0.1:{event_receiver.PORT}/{self.plan.events_secret}",
        }
        tokens = keystone.token_settings(self.plan.identity, keystone.OURS)
        files.write(self.plan.directory / _FOLDER / "settings.json", json.dumps(told, indent=2))
        files.write(self.plan.directory / _FOLDER / "tokens.conf", files.ini({"keystone_authtoken": tokens}))

    def programs(self) -> tuple[Program, ...]:
        """See Part."""
        command = (sys.executable, "-m", "fakevm.compute", "/run/fakevm", str(_DOOR))
        return (Program(name=NAME, command=command, descriptors=(_DOOR,), alone=True),)

    def recorded(self, ports: Doors) -> dict[str, str]:
        """See Part."""
        return {"compute": f"http://127.0.0.1:{ports.compute}/compute/v2.1"}

    def wait(self, run: Run) -> None:
        """See Part."""
        readiness.wait(run.record, lambda: answers(run.record), "the compute API", run.timeout)
