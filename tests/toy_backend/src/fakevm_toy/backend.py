"""The lab's half: what Neutron and the hosts of a lab are to be."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import Field

from fakevm.backend.base import Backend, Ini
from fakevm.errors import InvalidInput
from fakevm.model.feature import Feature
from fakevm.model.labfile import Options
from fakevm.model.labfile.host import HostFile
from fakevm.model.plan import HostPlan, LabPlan
from fakevm.model.program import Program

_BRIDGES_ONLY = "a network is a bridge and a tunnel, and nothing else"


_LAST_VNI = 10000


class ToyOptions(Options):
    """Which VNIs Neutron hands out."""

    first_vni: int = Field(default=1, ge=1, lt=2**24, description="The least VNI of a network.")


class ToyBackend(Backend):
    """Ports are bound by our own mechanism driver; no agent of Neutron's runs on the hosts."""

    options = ToyOptions
    default_hosts = {"compute1": HostFile(), "compute2": HostFile()}
    role_agents = {}
    idle_roles = dict.fromkeys(("dhcp", "l3", "metadata", "gateway"), _BRIDGES_ONLY)
    open_vswitch = False
    firewalls = ("noop",)
    # Neutron finds the mechanism driver here: the folder in which this package is installed.
    python_path = (Path(__file__).parents[1],)

    @property
    def lacks(self) -> Mapping[Feature, str]:
        """See Backend."""
        alone: tuple[Feature, ...] = ("dhcp", "vlan", "flat", "routers", "floating-ips", "metadata", "qos", "trunks")
        return dict.fromkeys(alone, _BRIDGES_ONLY) | {
            "security-groups": "nothing filters",
            "live-migration": "nobody tells Neutron that the destination is ready",
        }

    def check(self, plan: LabPlan) -> None:
        """See Backend."""
        super().check(plan)
        if (first := _first_vni(plan)) > _LAST_VNI:
            raise InvalidInput(f"{first} is above the last VNI, {_LAST_VNI}", at=("toy", "first_vni"))

    def ml2(self, plan: LabPlan) -> Ini:
        """See Backend."""
        return {
            "ml2": {
                "mechanism_drivers": "toy",
                "type_drivers": "vxlan",
                "tenant_network_types": "vxlan",
                "extension_drivers": "port_security",
            },
            "ml2_type_vxlan": {"vni_ranges": f"{_first_vni(plan)}:{_LAST_VNI}"},
        }

    def server_settings(self, plan: LabPlan) -> Ini:
        """See Backend: routers, QoS and trunks are nothing that we have."""
        return {"DEFAULT": {"service_plugins": ""}}

    def agents(self, plan: LabPlan, host: HostPlan) -> tuple[str, ...]:
        """See Backend: FakeVM's own agent is enough."""
        return ()

    def agent_settings(self, plan: LabPlan, host: HostPlan) -> Ini:
        """See Backend."""
        return {}

    def host_files(self, plan: LabPlan, host: HostPlan) -> dict[str, str]:
        """See Backend."""
        return {}

    def host_programs(self, plan: LabPlan, host: HostPlan) -> tuple[Program, ...]:
        """See Backend: FakeVM gives the underlay its address, as no switch of ours wants it elsewhere."""
        return ()


def _first_vni(plan: LabPlan) -> int:
    return plan.options.first_vni if isinstance(plan.options, ToyOptions) else 1
