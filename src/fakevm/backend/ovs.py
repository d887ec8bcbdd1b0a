"""ML2/OVS: an Open vSwitch and neutron-openvswitch-agent on every host, VXLAN and VLAN networks at once."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping

from fakevm import names
from fakevm.model import config
from fakevm.model.feature import Feature
from fakevm.model.labfile import LabFile
from fakevm.model.labfile.security import Direction
from fakevm.model.plan import HostPlan, LabPlan, major
from fakevm.model.program import Program
from fakevm.model.remark import Remark
from fakevm.ovs import service

from .base import LAST_TUNNEL, Backend, Ini, unknown_domains, vlan_ranges

_AGENT = "neutron-openvswitch-agent"
# From here on its agent limits bandwidth by OpenFlow meters where it is told to ([ovs] qos_meter_bandwidth).
_FIRST_WITH_METERS = 26
# What Neutron's agent wants on each bridge (25.2.3 to 29.0.0, OVSBridge), and its firewall on br-int
# (OVSFirewallDriver.REQUIRED_PROTOCOLS).
_PROTOCOLS = ("OpenFlow10", "OpenFlow13", "OpenFlow14")
_FIREWALL_PROTOCOLS = ("OpenFlow10", "OpenFlow11", "OpenFlow12", "OpenFlow13", "OpenFlow14")


class OvsBackend(Backend):
    """Neutron's reference backend."""

    server_imports = (
        "neutron.plugins.ml2.drivers.openvswitch.mech_driver.mech_openvswitch",
        "neutron.plugins.ml2.drivers.type_vxlan",
        "neutron.services.l3_router.l3_router_plugin",
        "neutron.services.l3_router.service_providers.dvrha",
        "neutron.services.l3_router.service_providers.single_node",
    )
    tags_ports = True
    nics = ("veth", "plain")
    l2_agent = _AGENT

    @property
    def lacks(self) -> Mapping[Feature, str]:
        """See Backend."""
        return self.unpoliced()

    def gaps(self, lab: LabFile, *, kernel_datapath: bool) -> tuple[Remark | str, ...]:
        """See Backend; docs/adr/0023 has what limits bandwidth where."""
        own = () if kernel_datapath else (*_unlimited(lab), *_unkept(lab))
        return (*_stateful(lab), *_insecure_trunks(lab), *unknown_domains(lab), *own)

    def ml2(self, plan: LabPlan) -> Ini:
        return {
            "ml2": {
                # Distributed routers over tunnels need l2population.
                "mechanism_drivers": "openvswitch,l2population" if plan.distributed else "openvswitch",
                "type_drivers": "flat,vlan,vxlan",
                "tenant_network_types": "vxlan,vlan",
                "extension_drivers": "port_security,qos",
            },
            "ml2_type_flat": {"flat_networks": "*"},
            "ml2_type_vlan": {"network_vlan_ranges": vlan_ranges(plan)},
            "ml2_type_vxlan": {"vni_ranges": f"1:{LAST_TUNNEL}"},
        }

    def agents(self, plan: LabPlan, host: HostPlan) -> tuple[str, ...]:
        return (_AGENT,)

    def host_files(self, plan: LabPlan, host: HostPlan) -> dict[str, str]:
        return {"switch.sh": _bridges(plan, host)}

    def agent_settings(self, plan: LabPlan, host: HostPlan) -> Ini:
        return {
            "ovs": {
                "bridge_mappings": [f"{net}:{names.physical_bridge(net)}" for net in plan.physical_networks_of(host)],
                "local_ip": host.tunnel_address,
                "datapath_type": service.datapath(plan.kernel_datapath),
                "ovsdb_connection": "tcp:127.0.0.1:6640",
                # Its ingress policing (of what guests send) does nothing in user space: docs/adr/0023.
                "qos_meter_bandwidth": not plan.kernel_datapath,
            },
            "agent": {
                "tunnel_types": "vxlan",
                "l2_population": plan.distributed,
                "arp_responder": plan.distributed,
                "enable_distributed_routing": plan.distributed,
            },
            "securitygroup": {"firewall_driver": host.firewall},
        }

    def own_settings(self, plan: LabPlan, host: HostPlan, binary: str) -> Ini:
        """See Backend: extensions of other agents have other names."""
        return {"agent": {"extensions": "qos"}} if binary == _AGENT else {}

    def host_programs(self, plan: LabPlan, host: HostPlan) -> tuple[Program, ...]:
        folder = f"/run/fakevm/hosts/{host.name}"
        agent = Program(
            name=_AGENT,
            before=(f"sh {folder}/switch.sh",),
            command=(f"{host.venv}/bin/{_AGENT}", *config.arguments(folder, config.of_agent(_AGENT))),
            # It never ends by itself: docs/findings/0005. Its last round is over by then.
            grace=2.0,
        )
        return (*service.programs(), agent)


def _bridges(plan: LabPlan, host: HostPlan) -> str:
    bridges = {names.physical_bridge(net): names.physical_port(net) for net in plan.physical_networks_of(host)}
    firewall = _FIREWALL_PROTOCOLS if host.firewall == "openvswitch" else _PROTOCOLS
    return service.bridges_script(
        bridges,
        kernel=plan.kernel_datapath,
        uplink="underlay",
        tunnel_address=f"{host.tunnel_address}/16",
        controlled={"br-int": firewall, **dict.fromkeys(("br-tun", *bridges), _PROTOCOLS)},
        tunnels=_tunnels(plan, host),
    )


def _tunnels(plan: LabPlan, host: HostPlan) -> dict[str, str]:
    """Give the ports of a host's tunnels to all others as its agent will want them (29.0.0, ``add_tunnel_port``).

    Open vSwitch looks at all ports of a bridge whenever one is added, and agents add them one by one, as they hear of
    one another: what a mesh costs would grow with the third power of its hosts. Here they are added at once. An agent
    finds its ports, and makes their flows. Where it makes tunnels as ports need them (l2_population) there are none.
    """
    if plan.distributed:
        return {}
    common = "options:df_default=true options:in_key=flow options:out_key=flow options:egress_pkt_mark=0"
    ends = f"options:local_ip={host.tunnel_address} options:remote_ip="
    others = (other.tunnel_address for other in plan.hosts if other.name != host.name)
    return {_tunnel(address): f"{common} {ends}{address}" for address in others}


def _tunnel(address: str) -> str:
    """Name the port of a tunnel to an address as Neutron's agent does (29.0.0, ``get_tunnel_name``)."""
    return f"vxlan-{ipaddress.IPv4Address(address).packed.hex()}"


def _on(lab: LabFile, firewall: str) -> list[str]:
    """Name the compute hosts with a firewall."""
    hosts = {name: host for name, host in lab.hosts.items() if "compute" in host.roles}
    return [name for name, host in hosts.items() if (host.firewall or lab.firewall) == firewall]


def _stateful(lab: LabFile) -> Iterator[Remark]:
    """Nothing in neutron/agent/linux/openvswitch_firewall reads ``stateful`` (29.0.0); iptables_firewall does."""
    native = _on(lab, "openvswitch")
    for name in (name for name, group in lab.security_groups.items() if not group.stateful and native):
        what = f"the security group {name!r} is stateful all the same on {', '.join(native)}"
        hint = "With `firewall: iptables_hybrid` it is stateless."
        yield Remark(
            f"{what}: Neutron's firewall openvswitch has no stateless groups",
            ("security_groups", name, "stateful"),
            hint,
        )


def _insecure_trunks(lab: LabFile) -> Iterator[Remark]:
    """Neutron only warns of it, in its agent's log (check_trunk_dependencies of its trunks on Open vSwitch, 29.0.0)."""
    hosts = _on(lab, "iptables_hybrid")
    for name, guest in lab.guests.items() if hosts else ():
        if any(port.trunk for port in guest.on_networks):
            what = f"what {name!r} sends and gets over its trunk may pass unfiltered on {', '.join(hosts)}"
            yield Remark(
                f"{what}: Neutron's trunks and its firewall iptables_hybrid do not go together", ("guests", name)
            )


def _unlimited(lab: LabFile) -> Iterator[Remark]:
    releases = {name: lab.version(name) for name in lab.hosts}
    old = [name for name, version in releases.items() if major(version) < _FIRST_WITH_METERS]
    sent, got = _limiting(lab, "egress"), _limiting(lab, "ingress")
    if sent and old:
        yield Remark(
            f"what guests on {', '.join(old)} send is not limited by the QoS policy {sent}:"
            " in Open vSwitch's userspace datapath that takes meters, which Neutron's agent has from 2025.1 on",
            ("qos_policies",),
        )
    if got and len(old) < len(releases):
        yield Remark(
            f"what guests get from guests on the same host is not limited by the QoS policy {got}:"
            " Neutron's meters, which Open vSwitch's userspace datapath takes, are for what comes from other hosts",
            ("qos_policies",),
        )


def _unkept(lab: LabFile) -> Iterator[Remark]:
    """Neutron's agent has queues for it; in user space no packet comes to them (set_queue)."""
    for name, policy in lab.qos_policies.items():
        if policy.minimum_bandwidths:
            what = f"nobody keeps the minimum bandwidth of the QoS policy {name!r}"
            why = "Neutron's queues for it do nothing in Open vSwitch's userspace datapath"
            yield Remark(f"{what}: {why}", ("qos_policies", name, "minimum_bandwidths"))


def _limiting(lab: LabFile, direction: Direction) -> str:
    """Name the QoS policies that limit bandwidth in a direction."""
    return ", ".join(name for name, policy in lab.qos_policies.items() if policy.limits(direction))
