"""ML2/OVS: an Open vSwitch and neutron-openvswitch-agent on every host, VXLAN and VLAN networks at once."""

from __future__ import annotations

from fakevm import names
from fakevm.model.plan import HostPlan, LabPlan
from fakevm.model.program import Program

from .base import Backend, Ini

SOCKET = "/run/openvswitch/db.sock"
# The bridge that carries the tunnel address when Open vSwitch forwards in user space: a userspace tunnel needs its
# local address on the internal port of a bridge of that datapath which has the uplink as a port (OVS, "userspace
# tunneling" how-to).
UPLINK_BRIDGE = "br-underlay"


class OvsBackend(Backend):
    """Neutron's reference backend."""

    def ml2(self, plan: LabPlan) -> Ini:  # noqa: D102 - described by Backend
        ranges = [
            f"{name}:{net.vlans[0]}:{net.vlans[1]}" if net.vlans else name
            for name, net in plan.physical_networks.items()
        ]
        return {
            "ml2": {
                "mechanism_drivers": "openvswitch",
                "type_drivers": "flat,vlan,vxlan",
                "tenant_network_types": "vxlan,vlan",
                "extension_drivers": "port_security,qos",
            },
            "ml2_type_flat": {"flat_networks": "*"},
            "ml2_type_vlan": {"network_vlan_ranges": ranges},
            "ml2_type_vxlan": {"vni_ranges": "1:10000"},
        }

    def agents(self, plan: LabPlan, host: HostPlan) -> tuple[str, ...]:  # noqa: D102
        return ("neutron-openvswitch-agent",)

    def host_files(self, plan: LabPlan, host: HostPlan) -> dict[str, str]:  # noqa: D102
        return {"switch.sh": _switch_script(plan, host)}

    def agent_settings(self, plan: LabPlan, host: HostPlan) -> Ini:  # noqa: D102
        return {
            "ovs": {
                "bridge_mappings": [f"{net}:{names.physical_bridge(net)}" for net in plan.physical_networks],
                "local_ip": host.tunnel_address,
                "datapath_type": datapath(plan),
                "ovsdb_connection": "tcp:127.0.0.1:6640",
            },
            "agent": {"tunnel_types": "vxlan"},
            "securitygroup": {"firewall_driver": host.firewall},
        }

    def host_programs(self, plan: LabPlan, host: HostPlan) -> tuple[Program, ...]:  # noqa: D102
        folder = f"/run/fakevm/hosts/{host.name}"
        agent = Program(
            name="neutron-openvswitch-agent",
            before=(f"sh {folder}/switch.sh",),
            command=(
                f"{plan.venv}/bin/neutron-openvswitch-agent",
                "--config-file", f"{folder}/neutron.conf",
                "--config-file", f"{folder}/agent.ini",
            ),
        )  # fmt: skip
        return (*switch_programs(), agent)


def datapath(plan: LabPlan) -> str:
    """Name the datapath type of the lab's bridges, as Open vSwitch does."""
    return "system" if plan.kernel_datapath else "netdev"


def switch_programs() -> tuple[Program, ...]:
    """Open vSwitch itself, started with the host."""
    database = "/run/openvswitch/conf.db"
    schema = "/usr/share/openvswitch/vswitch.ovsschema"
    server = Program(
        name="ovsdb-server",
        before=(f"[ -e {database} ] || ovsdb-tool create {database} {schema}",),
        command=(
            "ovsdb-server", database,
            f"--remote=punix:{SOCKET}", "--remote=ptcp:6640:127.0.0.1",
            "--pidfile", "-vconsole:warn", "-vsyslog:off",
        ),
        held=False,
    )  # fmt: skip
    switch = Program(
        name="ovs-vswitchd",
        before=(
            # s6 starts both at once: the switch waits for its database.
            f"until [ -S {SOCKET} ]; do sleep 0.05; done",
            "ovs-vsctl --no-wait init -- set Open_vSwitch . external-ids:system-id=$(hostname)",
        ),
        # One pair of handler and revalidator threads is enough for a host of a lab.
        command=("ovs-vswitchd", f"unix:{SOCKET}", "--pidfile", "-vconsole:warn", "-vsyslog:off"),
        held=False,
    )
    return server, switch


def _switch_script(plan: LabPlan, host: HostPlan) -> str:
    """Write the commands that give the switch its provider bridges and uplink; safe to run again."""
    kind = datapath(plan)
    commands = ["set Open_vSwitch . other_config:n-handler-threads=1 other_config:n-revalidator-threads=1"]
    for net in plan.physical_networks:
        bridge, port = names.physical_bridge(net), names.physical_port(net)
        commands.append(f"--may-exist add-br {bridge} -- set bridge {bridge} datapath_type={kind}")
        commands.append(f"--may-exist add-port {bridge} {port}")
    lines = ["set -e"]
    if not plan.kernel_datapath:
        commands.append(f"--may-exist add-br {UPLINK_BRIDGE} -- set bridge {UPLINK_BRIDGE} datapath_type=netdev")
        commands.append(f"--may-exist add-port {UPLINK_BRIDGE} underlay")
    lines.append("ovs-vsctl --timeout=30 " + " -- ".join(commands))
    if not plan.kernel_datapath:
        lines += [
            f"ip addr replace {host.tunnel_address}/16 dev {UPLINK_BRIDGE}",
            f"ip link set {UPLINK_BRIDGE} up",
            f"ethtool -K {UPLINK_BRIDGE} tx off >/dev/null",
        ]
    return "\n".join(lines) + "\n"
