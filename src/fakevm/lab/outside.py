"""The world outside: a host without Open vSwitch or agents, whose router is behind the lab's external networks.

Its device in a physical network's bridge has the gateway addresses of the external network's subnets; its clients are
namespaces behind it. It is in the lab's own namespaces, so the machine's network is never part of it.
"""

from __future__ import annotations

import ipaddress
import sys
from collections.abc import Iterator
from pathlib import Path

from fakevm import names
from fakevm.host import folder as host_folder
from fakevm.host.folder import Link
from fakevm.model.lab import HostRecord
from fakevm.model.labfile import LabFile, NetworkFile, SubnetFile, ndp_proxy
from fakevm.model.labfile.outside import CLIENT_NETWORKS
from fakevm.model.labfile.physical_network import PhysicalNetwork
from fakevm.model.plan import LabPlan, OutsideLeg, OutsidePlan
from fakevm.model.program import Program

from . import files
from .part import Part
from .services import loading

NAME = "outside"
ROLE = "outside"
HOME = f"/run/fakevm/hosts/{NAME}"
# The bridge of the clients, in the outside's own network namespace.
_BRIDGE = "br-clients"


def plan(lab: LabFile) -> OutsidePlan | None:
    """Plan the outside of a lab; None when it has no external network that leads there."""
    legs = tuple(
        OutsideLeg(
            network=name,
            physical_network=network.physical_network,
            addresses=tuple(address for subnet in network.subnets.values() if (address := gateway(subnet))),
            neighbours=tuple(_behind(lab, network)),
            mtu=lab.physical_networks.get(network.physical_network, PhysicalNetwork()).mtu,
        )
        for name, network in lab.external_networks.items()
        if network.type == "flat" and network.physical_network
    )
    clients = {name: client.addresses for name, client in lab.outside.clients.items()}
    return OutsidePlan(legs=legs, clients=clients) if legs else None


def suffices(there: OutsidePlan | None, wanted: OutsidePlan | None) -> bool:
    """Tell whether the world outside that is there is the one that is wanted; it may look for networks beside those."""
    if there is None or wanted is None:
        return there == wanted
    pairs = zip(there.legs, wanted.legs, strict=False)
    looked_for = all(set(new.neighbours) <= set(old.neighbours) for old, new in pairs)
    return looked_for and _alone(there) == _alone(wanted)


def _alone(plan: OutsidePlan) -> OutsidePlan:
    legs = tuple(leg.model_copy(update={"neighbours": ()}) for leg in plan.legs)
    return plan.model_copy(update={"legs": legs})


def _behind(lab: LabFile, external: NetworkFile) -> Iterator[str]:
    """Give the IPv6 subnets in an external network's address scope: routers that proxy may answer for them there."""
    if not loading.has(lab, ndp_proxy.SERVICE):
        return
    scopes = {lab.scope_of(subnet) for subnet in external.subnets.values() if subnet.version == 6} - {None}
    for network in lab.networks.values():
        for subnet in network.subnets.values() if network is not external else ():
            if subnet.version == 6 and lab.scope_of(subnet) in scopes:
                yield subnet.cidr


def gateway(subnet: SubnetFile) -> str | None:
    """Give a subnet's gateway address in CIDR form; None when it has none."""
    address = subnet.gateway_address
    return f"{address}/{ipaddress.ip_network(subnet.cidr).prefixlen}" if address else None


def service(plan: LabPlan) -> tuple[Program, ...]:
    """The outside itself, as a program of the lab; with Keystone another one brings the API to its clients."""
    if not plan.outside:
        return ()
    itself = Program(name=NAME, command=tuple(host_folder.command(NAME, HOME)), held=False)
    if not (plan.identity and plan.outside.clients):
        return (itself,)
    command = (sys.executable, "-m", "fakevm.lab.outside_api", *plan.outside.clients)
    return itself, Program(name=f"{NAME}-api", command=command, held=False)


def record(plan: LabPlan) -> tuple[HostRecord, ...]:
    """Give what a lab's record says of the outside: a host with the role ``outside`` alone."""
    if not plan.outside:
        return ()
    return (HostRecord(name=NAME, release=plan.release, roles=(ROLE,), management_address="", tunnel_address=""),)


def write(plan: LabPlan, directory: Path) -> None:
    """Write all that the outside starts from."""
    if not plan.outside:
        return
    folder = directory / "hosts" / NAME
    links = [
        Link(names.outside_peer(leg.physical_network), names.outside_leg(leg.physical_network), bridge, leg.mtu)
        for leg in plan.outside.legs
        if (bridge := names.physical_network_bridge(leg.physical_network))
    ]
    addresses = [
        f"addr add {address} dev {names.outside_leg(leg.physical_network)}"
        for leg in plan.outside.legs
        for address in leg.addresses
    ]
    # Who has one of these addresses is asked for in the external network, as if it were there.
    addresses += [
        f"route add {network} dev {names.outside_leg(leg.physical_network)}"
        for leg in plan.outside.legs
        for network in leg.neighbours
    ]
    router = Program(name="router", before=(f"sh {HOME}/router.sh",), command=("sleep", "infinity"), held=False)
    host_folder.write(folder, NAME, links, addresses, [router], seen_as=HOME)
    files.write(folder / "router.sh", script(plan.outside))


def script(outside: OutsidePlan) -> str:
    """Write the shell commands that make the router and its clients; safe to run again."""
    lines = [
        "set -e",
        "sysctl -q -w net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1",
        f"[ ! -e /sys/class/net/{_BRIDGE} ] || exit 0",
        f"ip link add {_BRIDGE} type bridge",
        f"ip link set {_BRIDGE} up",
    ]
    gateways = [str(ipaddress.ip_network(network)[1]) for network in CLIENT_NETWORKS]
    for network, address in zip(CLIENT_NETWORKS, gateways, strict=True):
        lines.append(f"ip addr add {address}/{network.partition('/')[2]} dev {_BRIDGE} nodad")
    for index, (client, addresses) in enumerate(outside.clients.items(), start=1):
        lines += [
            f"ip netns add {client}",
            f"ip link add client{index} mtu {outside.mtu} master {_BRIDGE} type veth"
            f" peer name eth0 mtu {outside.mtu} netns {client}",
            f"ip link set client{index} up",
            f"ip -n {client} link set lo up",
            f"ip -n {client} link set eth0 up",
            *(f"ip -n {client} addr add {address} dev eth0 nodad" for address in addresses),
            *(f"ip -n {client} route add default via {address}" for address in gateways),
        ]
    return "\n".join(lines) + "\n"


def command(client: str, words: list[str]) -> list[str]:
    """Give the words that run a command in a client, for a caller inside the outside host."""
    return ["ip", "netns", "exec", client, *words]


class Outside(Part):
    """The outside, as a part of a lab."""

    name = "outside"

    def write(self) -> None:
        """See Part."""
        write(self.plan, self.plan.directory)

    def programs(self) -> tuple[Program, ...]:
        """See Part."""
        return service(self.plan)

    def hosts(self) -> tuple[HostRecord, ...]:
        """See Part."""
        return record(self.plan)
