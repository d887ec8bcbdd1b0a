"""What a lab file can ask for and nobody refuses, though it will not be so (docs/reference/gaps.md).

What is a backend's own gap is told by the backend (``Backend.gaps``).
"""

from __future__ import annotations

from collections.abc import Iterator

from fakevm.model.labfile import LabFile
from fakevm.model.remark import Remark

from .ports import all_ports


def found(lab: LabFile, *, routed_by_agents: bool) -> Iterator[Remark]:
    """Find what a lab will silently not do."""
    yield from _unfiltered(lab)
    yield from _unannounced(lab)
    if routed_by_agents:
        yield from _alone(lab)
    yield from _untold(lab)
    yield from _dead_ends(lab)
    yield from _unkept(lab)
    yield from _idle(lab)
    yield from _without_dhcp(lab)


def _dead_ends(lab: LabFile) -> Iterator[Remark]:
    """The world outside is behind flat networks alone; a guest that has the gateway's address leads elsewhere."""
    has = {
        (port.network, fixed.address) for _, at, port in all_ports(lab) if at[0] == "guests" for fixed in port.fixed_ips
    }
    for name, net in lab.external_networks.items():
        if net.type != "flat" and not any((name, subnet.gateway_address) in has for subnet in net.subnets.values()):
            what = f"the external network {name!r} leads nowhere: the world outside is behind networks of type flat"
            hint = "Or let a guest have its gateway's address, and lead it on."
            yield Remark(what, ("networks", name, "external"), hint)


def _unfiltered(lab: LabFile) -> Iterator[Remark]:
    """The firewall driver ``noop`` does what its name says (neutron.agent.firewall.NoopFirewallDriver)."""
    hosts = [name for name, host in lab.hosts.items() if (host.firewall or lab.firewall) == "noop"]
    if hosts and lab.security_groups:
        what = f"security groups filter nothing on {', '.join(hosts)}: the firewall there is noop"
        yield Remark(what, ("security_groups",))


def _unannounced(lab: LabFile) -> Iterator[Remark]:
    """Neutron announces prefixes by its routers only (radvd of the L3 agent, ovn-controller)."""
    routed = {interface.subnet for router in lab.routers.values() for interface in router.interfaces}
    for network, net in lab.networks.items():
        for name, subnet in net.subnets.items():
            if subnet.ipv6_ra_mode and name not in routed:
                what = f"nobody announces the subnet {name!r} to its guests (ipv6_ra_mode): no router is in it"
                yield Remark(what, ("networks", network, "subnets", name, "ipv6_ra_mode"))


def _alone(lab: LabFile) -> Iterator[Remark]:
    """An HA router is on as many agents as there are, be it one (neutron.scheduler.l3_agent_scheduler)."""
    agents = [name for name, host in lab.hosts.items() if "l3" in host.roles]
    if len(agents) == 1:
        for name, router in lab.routers.items():
            if router.ha:
                what = f"the router {name!r} (ha) is on {agents[0]} alone: it is the only host with the role l3"
                yield Remark(what, ("routers", name, "ha"))


def _untold(lab: LabFile) -> Iterator[Remark]:
    """User data and keys are the metadata service's, which guests reach through an agent of the role ``metadata``."""
    if any("metadata" in host.roles for host in lab.hosts.values()):
        return
    for name, guest in lab.guests.items():
        for key in ("user_data", "keys"):
            if getattr(guest, key):
                yield Remark(f"{name!r} cannot ask for it: no host has the role metadata", ("guests", name, key))


def _unkept(lab: LabFile) -> Iterator[Remark]:
    """A minimum of packets is for Placement, by which Nova chooses hosts (29.0.0, no driver's agent does anything)."""
    for name, policy in lab.qos_policies.items():
        if policy.minimum_packet_rates:
            what = f"nobody keeps the minimum packet rate of the QoS policy {name!r}: it is for Nova's choice of hosts"
            yield Remark(what, ("qos_policies", name, "minimum_packet_rates"))


def _idle(lab: LabFile) -> Iterator[Remark]:
    """A floating IP may belong to nobody yet."""
    for name, floating in lab.floating_ips.items():
        if not floating.is_some and not floating.port_forwardings:
            what = f"the floating IP {name!r} leads nowhere: it has no guest, no port and no port_forwardings"
            yield Remark(what, ("floating_ips", name))


def _without_dhcp(lab: LabFile) -> Iterator[Remark]:
    """A port's options are DHCP's, which is a subnet's."""
    for guest, file in lab.guests.items():
        for port in file.ports_of(guest):
            served = {subnet.version for subnet in lab.networks[port.file.network].subnets.values() if subnet.dhcp}
            for version, key in ((4, "dhcp_options"), (6, "dhcpv6_options")):
                if getattr(port.file, key) and version not in served:
                    what = f"{guest!r} is not told of it: DHCP serves no IPv{version} subnet of {port.file.network!r}"
                    yield Remark(what, ("guests", guest, *port.at, key))
