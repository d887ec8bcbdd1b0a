"""What stands in the place of a backend in a lab without Neutron: its hosts run FakeVM's agent alone."""

from __future__ import annotations

from collections.abc import Mapping

from fakevm.model.labfile.host import HostFile
from fakevm.model.plan import HostPlan, LabPlan
from fakevm.model.program import Program

from .base import Backend, Ini


class NoNeutron(Backend):
    """No switch, no agents of Neutron's; guests are joined by links."""

    default_hosts: Mapping[str, HostFile] = {"host1": HostFile()}
    role_agents: Mapping[str, str] = {}
    open_vswitch = False
    # The agent alone.
    host_memory = 40

    def check(self, plan: LabPlan) -> None:
        """See Backend: there is nothing to be unable of."""

    def ml2(self, plan: LabPlan) -> Ini:
        return {}

    def agent_settings(self, plan: LabPlan, host: HostPlan) -> Ini:
        return {}

    def host_files(self, plan: LabPlan, host: HostPlan) -> dict[str, str]:
        return {}

    def host_programs(self, plan: LabPlan, host: HostPlan) -> tuple[Program, ...]:
        return ()

    def agents(self, plan: LabPlan, host: HostPlan) -> tuple[str, ...]:
        return ()
