"""ML2 with Linux bridges: neutron-linuxbridge-agent on every host, VXLAN and flat networks, no Open vSwitch.

Neutron removed it after 2024.2, where it has to be asked for as an experiment.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from fakevm import names
from fakevm.errors import InvalidInput
from fakevm.linux import kernel
from fakevm.linux.permission import needs_user_namespace
from fakevm.model import config
from fakevm.model.feature import Feature
from fakevm.model.labfile import LabFile
from fakevm.model.plan import HostPlan, LabPlan, major
from fakevm.model.program import Program
from fakevm.model.remark import Remark

from .base import LAST_TUNNEL, Backend, Ini, Requirement, unknown_domains, vlan_ranges

AGENT = "neutron-linuxbridge-agent"
# The major version of Neutron's last release with it (25 is 2024.2).
_LAST = 25
_NO_VLAN = "this machine's kernel has no VLAN devices (8021q), and Linux bridges do not tag by themselves"
_NO_FILTER = "this machine's kernel does not show iptables what passes a Linux bridge (br_netfilter)"
_OF_OPEN_VSWITCH = "Neutron has that in Open vSwitch alone"
_NO_RULES = "Neutron's driver for Linux bridges has no such rules"
_ASKED_FOR = {"experimental": {"linuxbridge": True}}


class LinuxBridgeBackend(Backend):
    """Neutron's former second reference backend; of this machine it asks what its kernel can do."""

    requirements = (
        Requirement("ebtables", "iptables"),
        Requirement("iptables", "iptables"),
        Requirement("ipset", "ipset"),
    )
    firewalls = ("iptables", "noop")
    open_vswitch = False
    interface_driver = "linuxbridge"

    @cached_property
    def vlan(self) -> bool:
        """Whether this machine can make VLAN devices."""
        return not kernel.missing(kernel.VLAN_DEVICES, user=needs_user_namespace())

    @cached_property
    def filters(self) -> bool:
        """Whether iptables sees what passes a bridge here."""
        return not kernel.missing(kernel.BRIDGE_FILTER, user=needs_user_namespace())

    @property
    def lacks(self) -> Mapping[Feature, str]:
        """See Backend."""
        found: dict[Feature, str] = {**self.unpoliced(), "packet-rates": _NO_RULES, "minimum-bandwidth": _NO_RULES}
        found |= {"local-ips": _OF_OPEN_VSWITCH, "packet-logs": _OF_OPEN_VSWITCH}
        if not self.vlan:
            found |= {"vlan": _NO_VLAN, "trunks": _NO_VLAN}
        if not self.filters:
            found["security-groups"] = _NO_FILTER
        return found

    def runs_on(self, version: str) -> bool:
        """See Backend."""
        return major(version) <= _LAST

    def check(self, plan: LabPlan) -> None:
        """See Backend; what would silently not work is refused."""
        super().check(plan)
        distributed = [host.name for host in plan.hosts if host.l3_mode != "legacy"]
        if distributed:
            raise InvalidInput(
                f"host {distributed[0]!r} cannot have l3_mode dvr: distributed routers need Open vSwitch",
                hint="Leave l3_mode out.",
                at=("hosts", distributed[0], "l3_mode"),
            )
        if not self.filters and any(host.firewall == "iptables" for host in plan.hosts):
            raise InvalidInput(
                f"security groups would not filter: {_NO_FILTER}",
                hint="As root: modprobe br_netfilter. Or run the lab without a filter: 'firewall: noop'.",
                at=("firewall",),
            )

    def gaps(self, lab: LabFile, *, kernel_datapath: bool) -> tuple[Remark | str, ...]:
        """See Backend; also of a file that names no physical network."""
        tagged = [name for name, net in lab.physical_networks.items() if net.vlans]
        untagged = (Remark(f"{n}: for flat networks only: {_NO_VLAN}", ("physical_networks", n)) for n in tagged)
        return (*unknown_domains(lab), *(() if self.vlan else untagged))

    def _types(self) -> tuple[str, ...]:
        return ("flat", "vxlan", "vlan") if self.vlan else ("flat", "vxlan")

    def ml2(self, plan: LabPlan) -> Ini:
        sections: dict[str, dict[str, object]] = {
            "ml2": {
                "mechanism_drivers": "linuxbridge,l2population",
                "type_drivers": ",".join(self._types()),
                "tenant_network_types": "vxlan,vlan" if self.vlan else "vxlan",
                "extension_drivers": "port_security,qos",
            },
            "ml2_type_flat": {"flat_networks": "*"},
            "ml2_type_vxlan": {"vni_ranges": f"1:{LAST_TUNNEL}"},
        }
        if self.vlan:
            sections["ml2_type_vlan"] = {"network_vlan_ranges": vlan_ranges(plan)}
        return sections

    def server_settings(self, plan: LabPlan) -> Ini:
        return {**super().server_settings(plan), **_ASKED_FOR}

    def agents(self, plan: LabPlan, host: HostPlan) -> tuple[str, ...]:
        return (AGENT,)

    def agent_settings(self, plan: LabPlan, host: HostPlan) -> Ini:
        # The host's end of a provider link goes into the bridge itself: no provider bridge between.
        devices = [f"{net}:{names.physical_port(net)}" for net in plan.physical_networks_of(host)]
        return {
            **_ASKED_FOR,
            "linux_bridge": {"physical_interface_mappings": devices},
            "vxlan": {"local_ip": host.tunnel_address, "l2_population": True},
            "securitygroup": {"firewall_driver": host.firewall},
        }

    def own_settings(self, plan: LabPlan, host: HostPlan, binary: str) -> Ini:
        """See Backend: extensions of other agents have other names."""
        return {"agent": {"extensions": "qos"}} if binary == AGENT else {}

    def host_files(self, plan: LabPlan, host: HostPlan) -> dict[str, str]:
        return {}

    def host_programs(self, plan: LabPlan, host: HostPlan) -> tuple[Program, ...]:
        folder = f"/run/fakevm/hosts/{host.name}"
        command = (f"{host.venv}/bin/{AGENT}", *config.arguments(folder, config.of_agent(AGENT)))
        return (Program(name=AGENT, command=command),)
