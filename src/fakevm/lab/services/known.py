"""The services that FakeVM knows. Each was seen to work in a lab, by a check of what it does to packages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from fakevm.backend.base import Backend
from fakevm.model.labfile.service import ServiceFile


class Known(NamedTuple):
    """A service, and what it needs of the backend: an L2 agent that takes extensions, routers of agents (L3)."""

    file: ServiceFile
    l2_agents: bool = False
    l3_agents: bool = False

    def lacking(self, backend: Backend) -> str:
        """Say what a backend lacks for it; empty when it can have it."""
        if self.l3_agents and not backend.routed_by_agents:
            return "it is done by L3 agents"
        if self.l2_agents and not backend.l2_agent:
            return "it is done by L2 agents"
        return ""


# By their names. A service comes in here when a test of what it does to packets was seen to pass in a lab: none was
# yet, so each is said in full in a lab file.
KNOWN: Mapping[str, Known] = {}
