"""The graph of a lab file: what would be made of it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator

from fakevm import names
from fakevm.errors import Prerequisite
from fakevm.lab import datapath
from fakevm.lab.reading import Written
from fakevm.lab.settle.settling import settle
from fakevm.lab.topology.conditions import of_port
from fakevm.lab.topology.links import ends
from fakevm.model.graph import (
    BridgeNode,
    End,
    Graph,
    GuestNode,
    HostNode,
    InterfaceNode,
    LinkNode,
    NetworkNode,
    RouterNode,
)
from fakevm.model.interface import Interface, LinkEnd
from fakevm.model.labfile import LabFile, LinkFile
from fakevm.model.labfile.guest import GuestPort
from fakevm.model.labfile.port import FixedIpFile


def graph(written: Written) -> Graph:
    """Settle a file as `lab up` does, without touching anything, and give its graph. Raises InvalidFile."""
    kernel = True
    # A picture needs nothing that this machine may lack.
    with contextlib.suppress(Prerequisite):
        kernel = datapath.choose(written.lab.datapath, open_vswitch=written.lab.neutron)
    return of(settle(written.lab, kernel_datapath=kernel, place=written.place).lab)


def of(lab: LabFile) -> Graph:
    """Give the graph of a lab file that is settled."""
    linked = ends(lab)
    return Graph(
        name=lab.name,
        source="file",
        hosts=tuple(HostNode(name=name, roles=host.roles) for name, host in lab.hosts.items()),
        guests=tuple(
            GuestNode(
                name=name,
                host=lab.home(name),
                kind=guest.kind,
                interfaces=(
                    *(interface for port in guest.ports_of(name) for interface in _on_networks(port)),
                    *map(attached, linked[name].values()),
                ),
            )
            for name, guest in lab.guests.items()
        ),
        networks=tuple(_networks(lab)),
        routers=tuple(_routers(lab)),
        bridges=tuple(BridgeNode(name=name) for name in lab.bridges),
        links=tuple(link(name, file) for name, file in lab.links.items()),
    )


def attached(interface: Interface) -> InterfaceNode:
    """Give an interface that is attached to a link or a bridge."""
    to = interface.attachment
    return InterfaceNode(
        name=interface.name,
        kind="link" if isinstance(to, LinkEnd) else "bridge",
        attached=to.link if isinstance(to, LinkEnd) else getattr(to, "bridge", ""),
        addresses=interface.addresses,
        mac_address=interface.mac_address,
        mtu=interface.mtu,
        sent=interface.sent.words,
        received=interface.received.words,
    )


def link(name: str, file: LinkFile, state: str = "", problem: str = "") -> LinkNode:
    """Give a link; the far end of one that leads out is called by its carrier and address."""
    ends = [End(*interface) for interface in file.interfaces]
    far = ends[1] if len(ends) > 1 else End("", f"{file.carrier} {file.remote or file.local}".strip())
    return LinkNode(name=name, ends=(ends[0], far), carrier=file.carrier, mtu=file.mtu, state=state, problem=problem)


def _on_networks(port: GuestPort) -> Iterator[InterfaceNode]:
    """Give a port's interface, and those of the networks that come tagged over it."""
    sent, received = of_port(port.file)
    yield InterfaceNode(
        name=port.device,
        kind="network",
        attached=port.file.network,
        addresses=_addresses(port.file.fixed_ips),
        sent=sent.words,
        received=received.words,
    )
    for subport in port.file.trunk:
        device, addresses = names.vlan(subport.vlan), _addresses(subport.fixed_ips)
        yield InterfaceNode(name=device, kind="network", attached=subport.network, addresses=addresses)


def _addresses(fixed_ips: Iterable[FixedIpFile]) -> tuple[str, ...]:
    return tuple(fixed.address for fixed in fixed_ips if fixed.address)


def _networks(lab: LabFile) -> Iterator[NetworkNode]:
    for name, network in lab.networks.items():
        subnets = {subnet: file.cidr for subnet, file in network.subnets.items()}
        yield NetworkNode(name=name, type=network.type or "", external=network.external, subnets=subnets)


def _routers(lab: LabFile) -> Iterator[RouterNode]:
    home = {subnet: name for name, network in lab.networks.items() for subnet in network.subnets}
    for name, router in lab.routers.items():
        way_out = router.external_gateway.network if router.external_gateway else ""
        inside = dict.fromkeys(home[interface.subnet] for interface in router.interfaces)
        yield RouterNode(name=name, networks=tuple(inside), gateway=way_out)
