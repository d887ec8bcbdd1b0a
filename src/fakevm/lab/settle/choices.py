"""Choices of ports that cannot be: of local IPs, NDP proxies and packet logs; floating IPs ask the same, too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fakevm.model.labfile import LabFile
from fakevm.model.labfile.local_ip import LocalIpFile
from fakevm.model.labfile.ndp_proxy import NdpProxyFile
from fakevm.model.labfile.port_choice import PortChoice
from fakevm.model.remark import Location, Remark

from .networks import usable


def wrong(lab: LabFile) -> Iterator[Remark]:
    """Find what Neutron would refuse of what is for one port."""
    for name, local in lab.local_ips.items():
        yield from _local_ip(lab, local, ("local_ips", name))
    for name, proxy in lab.ndp_proxies.items():
        yield from _proxy(lab, proxy, ("ndp_proxies", name))
    for name, log in lab.packet_logs.items():
        yield from unknown(lab, log, ("packet_logs", name)) if log.is_some else ()


def unknown(lab: LabFile, wanted: PortChoice, at: Location) -> Iterator[Remark]:
    """Find a choice of a port that is not there."""
    guest = wanted.guest
    if guest is None:
        if wanted.port not in lab.ports:
            what = f"{wanted.port!r} is a network: say which guest's port is meant, or one of `ports`"
            yield Remark(what, (*at, "port"))
    elif not lab.guests[guest].on_networks:
        yield Remark(f"the guest {guest!r} has no port: it is on no network", (*at, "guest"))
    elif wanted.port and wanted.port not in [port.network for port in lab.guests[guest].on_networks]:
        yield Remark(f"the guest {guest!r} has no port in the network {wanted.port!r}", (*at, "port"))


def elsewhere(wanted: PortChoice, network: str, cidrs: Sequence[str], version: int, at: Location) -> Iterator[Remark]:
    """Find an address that the port cannot have in its network."""
    if wanted.fixed_ip and not any(usable(cidr, wanted.fixed_ip) for cidr in cidrs):
        there = ", ".join(cidrs) or f"no IPv{version} subnet"
        yield Remark(f"{wanted.fixed_ip} is no address of {network!r}: {there}", (*at, "fixed_ip"))


def _local_ip(lab: LabFile, local: LocalIpFile, at: Location) -> Iterator[Remark]:
    """See LocalIPDbMixin (29.0.0)."""
    cidrs = _cidrs(lab, local.network, 4)
    if not cidrs:
        yield Remark(f"the network {local.network!r} has no IPv4 subnet", (*at, "network"))
    elif local.address and not any(usable(cidr, local.address) for cidr in cidrs):
        yield Remark(f"{local.address} is no address of {local.network!r}: {', '.join(cidrs)}", (*at, "address"))
    for index, port in enumerate(local.ports):
        here: Location = (*at, "ports", index)
        if wrong := list(unknown(lab, port, here)):
            yield from wrong
            continue
        network = port.network_name(lab)
        yield from elsewhere(port, network, _cidrs(lab, network, 4), 4, here)


def _proxy(lab: LabFile, proxy: NdpProxyFile, at: Location) -> Iterator[Remark]:
    """See NDPProxyPlugin.create_ndp_proxy and _check_ext_gw_network (29.0.0)."""
    if wrong := list(unknown(lab, proxy, at)):
        yield from wrong
        return
    router, network = lab.routers[proxy.router], proxy.network_name(lab)
    near = [leg.subnet for leg in router.interfaces if leg.subnet in lab.networks[network].subnets]
    inside = [lab.subnets[name] for name in near if lab.subnets[name].version == 6]
    if not inside:
        yield Remark(f"the router {proxy.router!r} is in no IPv6 subnet of the network {network!r}", (*at, "router"))
        return
    yield from elsewhere(proxy, network, [subnet.cidr for subnet in inside], 6, at)
    way_out = router.external_gateway
    outside = lab.networks[way_out.network].subnets.values() if way_out else ()
    scopes = {scope for subnet in outside if subnet.version == 6 and (scope := lab.scope_of(subnet))}
    if not scopes:
        what = f"the router {proxy.router!r} has no way out into an IPv6 subnet that is in an address scope"
        yield Remark(what, (*at, "router"), "Give the external network an IPv6 subnet of a pool with a `scope`.")
    elif not any(lab.scope_of(subnet) in scopes for subnet in inside):
        what = f"the network {network!r} is not in the external one's address scope, {', '.join(sorted(scopes))}"
        yield Remark(what, (*at, "guest" if proxy.guest else "port"), "Take both subnets of pools in one scope.")


def _cidrs(lab: LabFile, network: str, version: int) -> list[str]:
    return [subnet.cidr for subnet in lab.networks[network].subnets.values() if subnet.version == version]
