"""Ports that Neutron would refuse: those of guests, and those without one."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from fakevm.lab.topology.guests import subport_name
from fakevm.model.labfile import LabFile, NetworkFile, PortFile, SubnetFile
from fakevm.model.labfile.port import FixedIpFile, Subport
from fakevm.model.labfile.unbound_port import UnboundPortFile
from fakevm.model.remark import Location, Remark

from .networks import is_auto_address, usable
from .types import Types

# Neutron's default (neutron/conf/extensions/allowedaddresspairs.py).
_MOST_PAIRS = 10

AnyPort = PortFile | Subport | UnboundPortFile


def wrong(lab: LabFile, types: Types) -> Iterator[Remark]:
    """Find what Neutron refuses of the ports of a lab."""
    if lab.guests and not any("compute" in host.roles for host in lab.hosts.values()):
        yield Remark("guests need a host with the role compute", ("guests",))
    yield from _names(lab)
    macs: dict[tuple[str, str], str] = {}
    for holder, at, port in all_ports(lab):
        yield from _addresses(lab, port, at)
        yield from _security(lab, port, at)
        if isinstance(port, PortFile):
            yield from _trunk(lab, types, port, at)
            yield from _pairs(lab, port, at)
        mac = None if isinstance(port, Subport) else port.mac
        if mac and macs.setdefault((port.network, mac), holder) != holder:
            yield Remark(f"{macs[port.network, mac]} has this MAC address in this network", (*at, "mac"))


def _names(lab: LabFile) -> Iterator[Remark]:
    """Find ports that would be called as those of another guest."""
    taken: dict[str, str] = {}
    for guest, wanted in lab.guests.items():
        for port in wanted.ports_of(guest):
            for name in (port.name, *(subport_name(port.name, subport.vlan) for subport in port.file.trunk)):
                if taken.setdefault(name, guest) != guest:
                    what = f"its port would be called {name!r}, and so is one of {taken[name]!r}"
                    yield Remark(what, ("guests", guest, *port.at), "Give one of both guests another name.")
    # A router's port that is not its subnet's gateway has a name, too.
    legs = ((name, f"{name}-{leg.subnet}") for name, file in lab.routers.items() for leg in file.interfaces)
    taken |= {port: router for router, port in legs}
    for name in lab.ports:
        # That a guest itself is called so is told as of all names.
        if taken.get(name, name) != name:
            yield Remark(f"a port of {taken[name]!r} is called so", ("ports", name))


def all_ports(lab: LabFile) -> Iterator[tuple[str, Location, AnyPort]]:
    """Walk through all ports, those of trunks among them: whose it is, the place in the file, the port."""
    for name, unbound in lab.ports.items():
        yield f"port {name!r}", ("ports", name), unbound
    for guest, wanted in lab.guests.items():
        for port in wanted.ports_of(guest):
            at: Location = ("guests", guest, *port.at)
            yield f"guest {guest!r}", at, port.file
            for number, subport in enumerate(port.file.trunk):
                yield f"guest {guest!r}", (*at, "trunk", number), subport


def _addresses(lab: LabFile, port: AnyPort, at: Location) -> Iterator[Remark]:
    subnets = lab.networks[port.network].subnets
    if port.fixed_ips and not subnets:
        yield Remark(
            f"the network {port.network!r} has no subnets: nobody can have an address there", (*at, "fixed_ips")
        )
        return
    for index, fixed in enumerate(port.fixed_ips):
        here = (*at, "fixed_ips", index)
        if fixed.subnet and fixed.subnet not in subnets:
            yield Remark(f"the subnet {fixed.subnet!r} is not of the network {port.network!r}", here)
        elif fixed.address:
            yield from _address(fixed, subnets, port, here)


def _address(fixed: FixedIpFile, subnets: dict[str, SubnetFile], port: AnyPort, at: Location) -> Iterator[Remark]:
    wanted = str(fixed.address)
    chosen = [subnets[fixed.subnet]] if fixed.subnet else list(subnets.values())
    subnet = next((subnet for subnet in chosen if usable(subnet.cidr, wanted)), None)
    if subnet is None:
        there = ", ".join(subnet.cidr for subnet in chosen)
        yield Remark(f"{wanted} is no address that a port can have in {there}", at)
    elif is_auto_address(subnet) and wanted != _from_mac(subnet, port):
        yield Remark(f"in {subnet.cidr} addresses are made from MAC addresses: {wanted} cannot be asked for", at)


def _from_mac(subnet: SubnetFile, port: AnyPort) -> str:
    """Make the address that a port gets by its MAC address (EUI-64, RFC 4291, appendix A); empty without one."""
    mac = None if isinstance(port, Subport) else port.mac
    if not mac:
        return ""
    octets = bytearray.fromhex(mac.replace(":", ""))
    octets[0] ^= 2
    interface = int.from_bytes(bytes([*octets[:3], 0xFF, 0xFE, *octets[3:]]), "big")
    return str(ipaddress.ip_network(subnet.cidr)[interface])


def _security(lab: LabFile, port: AnyPort, at: Location) -> Iterator[Remark]:
    own = port.port_security
    secured = lab.networks[port.network].port_security if own is None else own
    if not secured:
        if port.security_groups:
            yield Remark(
                "without port_security (here, or of its network) a port has no groups", (*at, "security_groups")
            )
        if isinstance(port, PortFile) and port.allowed_address_pairs:
            yield Remark(
                "without port_security (here, or of its network) there are no address pairs",
                (*at, "allowed_address_pairs"),
            )
    groups = [lab.security_groups.get(name) for name in port.security_groups or ()]
    # The project's own group, "default", is stateful.
    if len({group.stateful if group else True for group in groups}) > 1:
        yield Remark("Neutron takes no stateful and stateless groups together on a port", (*at, "security_groups"))


def _pairs(lab: LabFile, port: PortFile, at: Location) -> Iterator[Remark]:
    if len(port.allowed_address_pairs) > _MOST_PAIRS:
        yield Remark(f"a port has {_MOST_PAIRS} address pairs at most", (*at, "allowed_address_pairs"))
    for index, pair in enumerate(port.allowed_address_pairs):
        shared = lab.ports.get(pair.address)
        here = (*at, "allowed_address_pairs", index)
        if shared and shared.network != port.network:
            what = f"the port {pair.address!r} is in the network {shared.network!r}, and this one in {port.network!r}"
            yield Remark(what, here)
        elif shared and not _has_address(shared, lab.networks[shared.network]):
            hint = f"Give {shared.network!r} a subnet, or, of a routed network, the port {pair.address!r} fixed_ips."
            yield Remark(f"the port {pair.address!r} has no address that could be shared", here, hint)


def _has_address(port: UnboundPortFile, network: NetworkFile) -> bool:
    """Tell whether a port gets an address without a host: of a routed network it gets only what it asks for."""
    return bool(network.subnets) and (bool(port.fixed_ips) or not network.segments)


def _trunk(lab: LabFile, types: Types, port: PortFile, at: Location) -> Iterator[Remark]:
    """See neutron.services.trunk.rules (29.0.0)."""
    outer = types.mtu(lab.networks[port.network])
    for index, subport in enumerate(port.trunk):
        inner = types.mtu(lab.networks[subport.network])
        if outer and inner > outer:
            yield Remark(
                f"the network {subport.network!r} has an MTU of {inner}, and that of the trunk's own port has {outer}",
                (*at, "trunk", index),
            )
