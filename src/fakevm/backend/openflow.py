"""OpenFlow: the br-int of every host obeys one controller, os-ken with FakeVM's application or the user's own.

This is the lab's half. The controller and the ML2 mechanism driver run in Neutron's environment: ``fakevm/in_neutron``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import Field

from fakevm import names
from fakevm.errors import InvalidInput
from fakevm.model import config
from fakevm.model.feature import Feature
from fakevm.model.labfile.options import Options
from fakevm.model.plan import HostPlan, LabPlan, major
from fakevm.model.program import Program
from fakevm.ovs import service

from .base import LAST_TUNNEL, Backend, Ini, vlan_ranges

#: a physical network that every lab with it has: one bridge joins the hosts' br-int, as in the original tool's picture
OWN_NETWORK = "fakevm"
OWN_BRIDGE = "br-fakevm"
_OWN_VLANS = (200, 299)
# The controllers' port (IANA).
PORT = 6653
_MODULES = Path(__file__).parent.parent / "in_neutron"


class OpenflowOptions(Options):
    """Which application programs the switches."""

    application: str = Field(
        default="",
        description="The os-ken application that programs the switches: a Python file (seen from where `lab up` is "
        "run) or a module.",
    )


class OpenflowBackend(Backend):
    """The successor of the original's Ryu plugin."""

    options = OpenflowOptions
    programs = ("openflow-controller",)
    firewalls = ("noop",)
    python_path = (_MODULES,)

    def runs_on(self, version: str) -> bool:
        """See Backend; older releases come with an os-ken that needs eventlet."""
        return major(version) >= 28

    @property
    def lacks(self) -> Mapping[Feature, str]:
        """See Backend."""
        return {
            "security-groups": "its flows tell networks apart, and filter nothing",
            "qos": "its flows limit nothing",
            "trunks": "its flows know no subports",
            "local-ips": "its flows know no other addresses than those of ports",
            "packet-logs": "its flows filter nothing that could be logged",
        }

    def check(self, plan: LabPlan) -> None:
        """See Backend."""
        super().check(plan)
        if plan.distributed:
            raise InvalidInput(
                "the backend openflow has no distributed routers; the lab file asks for l3_mode dvr",
                hint="Leave 'l3_mode' out.",
                at=("hosts", next(h.name for h in plan.hosts if h.l3_mode != "legacy"), "l3_mode"),
            )
        application = _application(plan)
        if "/" in application and not Path(application).is_file():
            raise InvalidInput(
                f"there is no file {application}",
                hint="Name a Python file with an os-ken application, or a module that Neutron's environment has.",
                at=("openflow", "application"),
            )

    def physical_bridges(self, plan: LabPlan) -> Mapping[str, str]:
        return {**super().physical_bridges(plan), OWN_NETWORK: OWN_BRIDGE}

    def ml2(self, plan: LabPlan) -> Ini:
        return {
            "ml2": {
                "mechanism_drivers": "fakevm_openflow",
                "type_drivers": "flat,vlan,vxlan",
                "tenant_network_types": "vxlan,vlan",
                "extension_drivers": "port_security",
            },
            "ml2_type_flat": {"flat_networks": "*"},
            "ml2_type_vlan": {"network_vlan_ranges": [*vlan_ranges(plan), *_own_vlans(plan)]},
            "ml2_type_vxlan": {"vni_ranges": f"1:{LAST_TUNNEL}"},
            "openflow": {
                "datapath_type": service.datapath(plan.kernel_datapath),
                "listen_address": plan.management_address,
                "listen_port": PORT,
                **({"application": application} if (application := _application(plan)) else {}),
            },
        }

    def server_settings(self, plan: LabPlan) -> Ini:
        return {"DEFAULT": {"service_plugins": "router"}}

    def lab_programs(self, plan: LabPlan) -> tuple[Program, ...]:
        controller = Program(
            name="openflow-controller",
            command=(
                f"{plan.venv}/bin/python", "-m", "fakevm_openflow.controller",
                *config.arguments(config.SERVER, config.of_server()),
            ),
            environment=self.environment(),
            # Switches that found nobody try again after 8 seconds only: it is there before anybody waits for them.
            held=False,
        )  # fmt: skip
        return (controller,)

    def agents(self, plan: LabPlan, host: HostPlan) -> tuple[str, ...]:
        # As the controller reports each switch that obeys (fakevm_openflow.agent).
        return ("fakevm-openflow-controller",)

    def agent_settings(self, plan: LabPlan, host: HostPlan) -> Ini:
        # For the agents of roles, which plug into br-int, too.
        return {
            "ovs": {
                "datapath_type": service.datapath(plan.kernel_datapath),
                "ovsdb_connection": "tcp:127.0.0.1:6640",
            }
        }

    def host_files(self, plan: LabPlan, host: HostPlan) -> dict[str, str]:
        return {"switch.sh": _switch(plan, host, sorted(self.physical_bridges_of(plan, host)))}

    def host_programs(self, plan: LabPlan, host: HostPlan) -> tuple[Program, ...]:
        database, switch = service.programs()
        # No other program is there to do it. It waits for the switch, which this becomes.
        bridges = f"sh /run/fakevm/hosts/{host.name}/switch.sh &"
        return database, switch.model_copy(update={"before": (*switch.before, bridges)})


def _application(plan: LabPlan) -> str:
    """Give the application as the lab finds it: a file is looked for where the command is run."""
    told = plan.options.application if isinstance(plan.options, OpenflowOptions) else ""
    return str(Path(told).absolute()) if "/" in told or told.endswith(".py") else told


def _own_vlans(plan: LabPlan) -> list[str]:
    """Write which VLANs Neutron may hand out on ``br-fakevm``, where the lab file does not say it."""
    first, last = _OWN_VLANS
    return [] if OWN_NETWORK in plan.physical_networks else [f"{OWN_NETWORK}:{first}:{last}"]


def _switch(plan: LabPlan, host: HostPlan, physical_networks: list[str]) -> str:
    """Give a host its br-int: who it is (``fakevm_openflow.switchboard`` reads it), whom it obeys, where it leads."""
    kind = service.datapath(plan.kernel_datapath)
    commands = [
        f"--may-exist add-br br-int -- set bridge br-int datapath_type={kind} fail_mode=secure"
        f" protocols=OpenFlow13 other_config:datapath-id={host.index:016x}"
        f" other_config:dp-desc={host.name} other_config:dp-sn={host.tunnel_address}",
        "--may-exist add-port br-int vxlan -- set interface vxlan type=vxlan options:remote_ip=flow options:key=flow",
        *(f"--may-exist add-port br-int {names.physical_port(net)}" for net in physical_networks),
        f"set-controller br-int tcp:{plan.management_address}:{PORT}",
        # Hosts reach the controller beside the switch, never through it.
        "set controller br-int connection_mode=out-of-band",
    ]
    underlay = service.bridges_script(
        {}, kernel=plan.kernel_datapath, uplink="underlay", tunnel_address=f"{host.tunnel_address}/16"
    )
    return f"{underlay}ovs-vsctl --timeout=30 {' -- '.join(commands)}\n"
