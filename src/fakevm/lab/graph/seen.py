"""The graph of a lab that runs: its hosts, its guests where they are now, and Neutron's networks and routers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from fakevm.agent.store import GuestRecord, Nic, Store
from fakevm.control import neutron as neutrons
from fakevm.control.access import Access
from fakevm.control.neutron import Neutron
from fakevm.errors import FakevmError, Refused, Unreachable
from fakevm.lab import fault, links, outside, registry
from fakevm.model.graph import BridgeNode, Graph, GuestNode, HostNode, InterfaceNode, LinkNode, NetworkNode, RouterNode
from fakevm.model.lab import LabRecord

from . import written

_ROUTED = ("network:router_interface", "network:ha_router_replicated_interface",
           "network:router_interface_distributed")  # fmt: skip


class Seen(NamedTuple):
    """The graph of a lab, and what could not be found out of it."""

    graph: Graph
    unknown: tuple[str, ...]


class _Networks(NamedTuple):
    """Neutron's networks and routers, and what each network is called, by its id: as no other is."""

    networks: tuple[NetworkNode, ...] = ()
    routers: tuple[RouterNode, ...] = ()
    names: Mapping[str, str] = {}


def graph(record: LabRecord) -> Seen:
    """Look at a lab that runs. A Neutron that does not answer is told, and no reason to draw nothing."""
    unknown: list[str] = []
    found = _Networks()
    if record.neutron:
        try:
            found = _of_neutron(neutrons.connect(Access.of(record)))
        except (Unreachable, Refused) as problem:
            unknown.append(f"networks and routers are missing: {problem.what}")
    bridges: Iterable[str] = ()
    linked: tuple[LinkNode, ...] = ()
    try:
        bridges = registry.lab_file(record).bridges
        linked = tuple(written.link(one.name, one.file, one.state, one.problem) for one in links.seen(record))
    except FakevmError as problem:
        unknown.append(f"links and bridges are missing: {problem.what}")
    records = list(_records(record))
    states = fault.states(record)
    inside = [host for host in record.hosts if host.roles != (outside.ROLE,)]
    return Seen(
        Graph(
            name=record.name,
            source="lab",
            hosts=tuple(
                HostNode(name=host.name, roles=host.roles, state=states.get(host.name, "stopped")) for host in inside
            ),
            guests=tuple(_guest(host, guest, found.names) for host, guest in records),
            networks=found.networks or tuple(_as_guests_know_them(records)),
            routers=found.routers,
            bridges=tuple(BridgeNode(name=name) for name in bridges),
            links=linked,
        ),
        tuple(unknown),
    )


def _records(record: LabRecord) -> Iterator[tuple[str, GuestRecord]]:
    """Give each guest once, with its host: of one that moves the one that is awake."""
    found: dict[str, tuple[str, GuestRecord]] = {}
    for host in record.hosts:
        for guest in Store(record.host_directory(host.name) / "agent").all() if host.roles != (outside.ROLE,) else ():
            if guest.guest.id not in found or not guest.asleep:
                found[guest.guest.id] = (host.name, guest)
    yield from sorted(found.values(), key=lambda pair: pair[1].guest.title)


def _guest(host: str, record: GuestRecord, networks: Mapping[str, str]) -> GuestNode:
    return GuestNode(
        name=record.guest.title,
        host=host,
        kind=record.guest.kind,
        state="asleep" if record.asleep and record.state == "running" else record.state,
        interfaces=tuple(_interface(nic, networks) for nic in record.nics),
    )


def _interface(nic: Nic, networks: Mapping[str, str]) -> InterfaceNode:
    interface, port = nic.interface, nic.port
    if port:
        return InterfaceNode(
            name=interface.name,
            kind="network",
            attached=networks.get(port.network_id, port.network_name or port.network_id),
            addresses=tuple(f"{fixed.address}/{fixed.prefix_length}" for fixed in port.fixed_ips),
            mac_address=interface.mac_address,
            mtu=interface.mtu,
            sent=interface.sent.words,
            received=interface.received.words,
        )
    return written.attached(interface)


# -- networks ----------------------------------------------------------------------------------------------------


def _of_neutron(neutron: Neutron) -> _Networks:
    networks = neutron.networks()
    hidden = {network["id"] for network in networks if not network.get("project_id") and _is_of_ha(network)}
    shown = [network for network in networks if network["id"] not in hidden]
    count = Counter(network["name"] for network in shown)
    names = {
        n["id"]: n["name"] if n["name"] and count[n["name"]] == 1 else f"{n['name']} {n['id'][:8]}".strip()
        for n in shown
    }
    cidrs: dict[str, dict[str, str]] = {id_: {} for id_ in names}
    for subnet in neutron.collection("/subnets", "list the subnets"):
        cidrs.get(subnet["network_id"], {})[subnet["name"] or subnet["id"]] = subnet["cidr"]
    return _Networks(
        tuple(
            NetworkNode(
                name=names[network["id"]],
                type=network.get("provider:network_type") or "",
                external=bool(network.get("router:external")),
                subnets=cidrs[network["id"]],
            )
            for network in shown
        ),
        tuple(_routers(neutron, names)),
        names,
    )


def _is_of_ha(network: Mapping[str, Any]) -> bool:
    """Tell whether a network is Neutron's own, for highly available routers (neutron_lib, HA_NETWORK_NAME)."""
    return str(network["name"]).startswith("HA network tenant")


def _routers(neutron: Neutron, names: Mapping[str, str]) -> Iterator[RouterNode]:
    try:
        routers = neutron.collection("/routers", "list the routers")
    except FakevmError:
        # A Neutron without the extension has none.
        return
    inside: dict[str, dict[str, None]] = {router["id"]: {} for router in routers}
    fields = ["device_id", "device_owner", "network_id"]
    for port in neutron.ports(fields=fields) if routers else ():
        if port["device_owner"] in _ROUTED and port["device_id"] in inside and port["network_id"] in names:
            inside[port["device_id"]][names[port["network_id"]]] = None
    for router in routers:
        way_out = names.get((router.get("external_gateway_info") or {}).get("network_id", ""), "")
        yield RouterNode(name=router["name"] or router["id"], networks=tuple(inside[router["id"]]), gateway=way_out)


def _as_guests_know_them(records: Iterable[tuple[str, GuestRecord]]) -> Iterator[NetworkNode]:
    found = dict.fromkeys(port.network_name or port.network_id for _, record in records for port in record.ports)
    yield from (NetworkNode(name=name) for name in found)
