"""The graph of a lab file: what would be made of it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator

from fakevm import names
from fakevm.errors import Prerequisite
from fakevm.lab import datapath
from fakevm.lab.reading import Written
from fakevm.lab.settle.settling import settle
from fakevm.lab.topology.links import ends
from fakevm.model.graph import End, Graph, GuestNode, HostNode, InterfaceNode, LinkNode, NetworkNode, RouterNode
from fakevm.model.labfile import LabFile
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
                    *(
                        InterfaceNode(
                            name=interface.name,
                            kind="link",
                            attached=getattr(interface.attachment, "link", ""),
                            addresses=interface.addresses,
                            mac_address=interface.mac_address,
                            mtu=interface.mtu,
                        )
                        for interface in linked[name].values()
                    ),
                ),
            )
            for name, guest in lab.guests.items()
        ),
        networks=tuple(_networks(lab)),
        routers=tuple(_routers(lab)),
        links=tuple(
            LinkNode(
                name=name,
                ends=(End(*link.interfaces[0]), End(*link.interfaces[1])),
                carrier=link.carrier,
                mtu=link.mtu,
            )
            for name, link in lab.links.items()
        ),
    )


def _on_networks(port: GuestPort) -> Iterator[InterfaceNode]:
    """Give a port's interface, and those of the networks that come tagged over it."""
    yield InterfaceNode(
        name=port.device, kind="network", attached=port.file.network, addresses=_addresses(port.file.fixed_ips)
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
