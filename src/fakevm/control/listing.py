"""The fake VMs as Neutron and the hosts see them, side by side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from fakevm.control.agents import Agents
from fakevm.control.diagnosis import diagnose
from fakevm.control.lookup import Candidate
from fakevm.control.neutron import Neutron, Resource
from fakevm.control.whereabouts import Holders, Whereabouts
from fakevm.errors import FakevmError, NotFound, Refused
from fakevm.model.identity import called
from fakevm.model.port import Vif, is_for_a_vm
from fakevm.model.value import Value


class GuestRow(Value):
    """A VIF as Neutron and its host's agent see it; either view may be missing."""

    name: str
    port_id: str
    instance_id: str
    network: str
    bound_host: str
    status: str
    mac_address: str
    addresses: tuple[str, ...]
    plugged_on: tuple[str, ...]
    problem: str = ""


class Listing:
    """Lists and shows fake VMs; what cannot be asked is named."""

    def __init__(self, neutron: Neutron, agents: Agents) -> None:
        self._neutron = neutron
        self._agents = agents
        self._whereabouts = Whereabouts(neutron, agents)

    def rows(self, host: str | None = None) -> tuple[list[GuestRow], list[str]]:
        """List the fake VMs, on one host or all; also the hosts whose agents could not be asked, and why."""
        if host:
            self._agents.require(host)
        hosts = [host] if host else self._agents.alive()
        answers = self._agents.ask_all(hosts, self._agents.list_vifs if host else self._whereabouts.glance)
        silent_hosts = [f"{name}: {a.what}" for name, a in answers.items() if isinstance(a, FakevmError)]
        if not host:
            silent_hosts += [f"{dead}: {since}" for dead, since in self._whereabouts.dead_hosts().items()]
        plugged = [vif for answer in answers.values() if not isinstance(answer, FakevmError) for vif in answer]
        ports = [p for p in self._neutron.ports() if self._concerns(p, hosts, plugged)]
        names = {network["id"]: network["name"] for network in self._neutron.networks()}
        return merge(ports, plugged, names), silent_hosts

    def show(self, vif: str) -> tuple[Resource | None, Holders, Sequence[Candidate]]:
        """Give Neutron's port (None when it is only on a host), and the VIF on each host that holds it.

        Of a guest with several ports it is the first, and the others are named, too.
        """
        first, *others = self._whereabouts.find_guest(vif, self._agents.alive())
        port_id = first.port_id
        try:
            port: Resource | None = self._neutron.port(port_id)
        except NotFound:
            port = None
        return port, self._whereabouts.where(port_id, bound=port["binding:host_id"] if port else None), others

    def left_of_a_migration(self, port: Resource | None, vifs: Mapping[str, Vif]) -> list[str]:
        """Say what a migration that is under way, or was cut short, shows of itself on a port."""
        if port is None:
            return []
        try:
            bindings = self._neutron.bindings(port["id"])
        except (Refused, NotFound):  # an administrator's right, and an extension of the API
            bindings = []
        return diagnose(port, bindings, vifs)

    def _concerns(self, port: Resource, hosts: Iterable[str], plugged: Iterable[Vif]) -> bool:
        held = port["id"] in {vif.port_id for vif in plugged}
        return held or (is_for_a_vm(port) and port["binding:host_id"] in (*hosts, *self._dead(hosts)))

    def _dead(self, hosts: Iterable[str]) -> list[str]:
        everywhere = set(self._agents.alive()) <= set(hosts)
        return list(self._whereabouts.dead_hosts()) if everywhere else []


def merge(ports: Iterable[Resource], plugged: Iterable[Vif], network_names: dict[str, str]) -> list[GuestRow]:
    """Lay Neutron's view and the agents' side by side, a row for each port."""
    held: dict[str, list[Vif]] = {}
    for vif in plugged:
        held.setdefault(vif.port_id, []).append(vif)
    rows = [_row(port, held.pop(port["id"], []), network_names) for port in ports]
    rows += [_orphan(vifs, network_names) for vifs in held.values()]
    return sorted(rows, key=lambda row: (row.network, row.name, row.port_id))


def _row(port: Resource, vifs: list[Vif], network_names: dict[str, str]) -> GuestRow:
    addresses = vifs[0].addresses if vifs else tuple(fixed["ip_address"] for fixed in port["fixed_ips"])
    return GuestRow(
        name=called(port["name"], port["device_id"], port["id"]),
        port_id=port["id"],
        instance_id=port["device_id"],
        network=str(network_names.get(port["network_id"], port["network_id"])),
        bound_host=port["binding:host_id"],
        status=port["status"],
        mac_address=port["mac_address"],
        addresses=addresses,
        plugged_on=tuple(vif.host for vif in vifs),
        problem="; ".join(filter(None, map(_problem, vifs))),
    )


def _problem(vif: Vif) -> str:
    return f"stopped: fakevm guest start {vif.title}" if vif.state == "stopped" else vif.problem


def _orphan(vifs: list[Vif], network_names: dict[str, str]) -> GuestRow:
    first = vifs[0]
    return GuestRow(
        name=first.title,
        port_id=first.port_id,
        instance_id=first.instance_id,
        network=network_names.get(first.network_id, first.network_id),
        bound_host="",
        status="not in Neutron",
        mac_address=first.mac_address,
        addresses=first.addresses,
        plugged_on=tuple(vif.host for vif in vifs),
        problem="Neutron has no such port: unplug-all-host removes what is left",
    )
