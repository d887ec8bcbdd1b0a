"""The verbs on ports that exist: plug, unplug, delete, list, show."""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from fakevm.control.agents import Agents
from fakevm.control.binding import is_bound
from fakevm.control.events import Events
from fakevm.control.lookup import find_by_prefix
from fakevm.control.migration.diagnosis import diagnose
from fakevm.control.neutron import Neutron, Resource, is_for_a_vm
from fakevm.control.progress import Say, Stopwatch, silent
from fakevm.control.wiring import WiredPort, Wiring, Wish
from fakevm.errors import AgentDown, Ambiguous, Conflict, FakevmError, NotFound, Refused
from fakevm.model.port import Vif
from fakevm.model.value import Value

LOG = logging.getLogger(__name__)
# Ports that are deleted at once; more requests would only queue in Neutron's few processes.
DELETIONS_AT_ONCE = 4


class Unplugged(Value):
    """What unplugging did on one host: ``unplugged``, ``was not plugged``, or why it could not."""

    host: str
    result: str
    failed: bool = False


# A port's id, and what was done on each host and in Neutron.
Deleted = tuple[str, list[Unplugged]]


@dataclass(frozen=True)
class Whereabouts:
    """The hosts that hold a port, with its VIF there; and those that could not be asked, with the reason."""

    vifs: dict[str, Vif]
    unasked: dict[str, FakevmError]


class GuestRow(Value):
    """A VIF as Neutron and its host's agent see it; either view may be missing."""

    port_id: str
    instance_id: str
    network: str
    bound_host: str
    status: str
    mac_address: str
    addresses: tuple[str, ...]
    plugged_on: tuple[str, ...]
    problem: str = ""


class Service:
    """Acts on ports by the beginning of their id, through Neutron and the hosts' agents."""

    def __init__(self, neutron: Neutron, agents: Agents, say: Say = silent, events: Events | None = None) -> None:
        self._neutron = neutron
        self._agents = agents
        self._say = say
        self._events = events
        agents.prepare()

    # -- plug and unplug -------------------------------------------------------------------------------------

    def plug(self, vif: str, wish: Wish) -> WiredPort:
        """Plug a port that exists, binding it there if it is bound nowhere; no change when that is so already.

        Raises NotFound, Ambiguous, Conflict when it is plugged on another host, and what wiring raises.
        """
        port = self._neutron.find_port(vif)
        self._agents.require(wish.host)
        self._refuse_elsewhere(port, wish.host)
        if self._agents.show(wish.host, port["id"]) is None and is_bound(port, wish.host):
            self._say(f"{port['id']} is bound to {wish.host}, but not plugged there")
        network = self._neutron.network(port["network_id"])
        subnets = self._neutron.subnets(network["id"])
        wiring = Wiring(self._neutron, self._agents, network, subnets, say=self._say, events=self._events)
        return wiring.job.run(functools.partial(wiring.wire, port, wish, Stopwatch()))

    def unplug(self, vif: str, host: str) -> tuple[str, Unplugged]:
        """Unplug on one host, and give the port's id; Neutron's port is left as it is.

        Raises NotFound also when it is not plugged there, Ambiguous, AgentDown, PlugFailed.
        """
        self._agents.require(host)
        port_id = self.find_vif(vif, [host])
        if not self._agents.unplug(host, port_id):
            elsewhere = ", ".join(self.where(port_id).vifs)
            hint = f"It is plugged on {elsewhere}." if elsewhere else "It is plugged nowhere."
            raise NotFound(f"VIF {port_id} is not plugged on {host}", hint=hint)
        return port_id, Unplugged(host=host, result="unplugged")

    def unplug_all_hosts(self, vif: str) -> tuple[str, list[Unplugged]]:
        """Unplug wherever it is plugged; a host that cannot answer is reported, not hidden."""
        port_id = self.find_vif(vif, self._agents.alive())
        return port_id, self._unplug_on(port_id, self._agents.alive()) + self._dead_hosts()

    def delete_all(self, vifs: Iterable[str]) -> dict[str, Deleted | FakevmError]:
        """Delete several, a few at once; gives what became of each. When it is interrupted, those not begun stay."""
        with ThreadPoolExecutor(DELETIONS_AT_ONCE) as pool:
            begun = {vif: pool.submit(self._try_to_delete, vif) for vif in vifs}
            try:
                return {vif: future.result() for vif, future in begun.items()}
            except BaseException:
                pool.shutdown(cancel_futures=True)
                tried = [future.result() for future in begun.values() if not future.cancelled()]
                deleted = sum(not isinstance(outcome, FakevmError) for outcome in tried)
                LOG.warning("%d of %d were deleted, the others stay", deleted, len(begun))
                raise

    def _try_to_delete(self, vif: str) -> Deleted | FakevmError:
        try:
            return self.delete(vif)
        except FakevmError as problem:
            return problem

    def delete(self, vif: str) -> Deleted:
        """Unplug wherever it is plugged, then delete the port; one that Neutron has forgotten is unplugged only.

        Raises NotFound, Ambiguous, AgentDown, FakevmError when a host could not unplug it.
        """
        port_id = self.find_vif(vif, self._agents.alive())
        self._require_bound_host(port_id)
        results = self._unplug_on(port_id, self._agents.alive())
        failed = [result for result in results if result.failed]
        if failed:
            reasons = "; ".join(f"{result.host}: {result.result}" for result in failed)
            raise FakevmError(
                f"port {port_id} was not deleted, since it could not be unplugged: {reasons}",
                hint="Delete it again when that is mended; what was unplugged stays so.",
            )
        deleted = self._neutron.delete_port(port_id)
        return port_id, [*results, Unplugged(host="Neutron", result="deleted" if deleted else "was not there")]

    def _require_bound_host(self, port_id: str) -> None:
        """Make sure that the host to which the port is bound can be asked to unplug it."""
        try:
            host = self._neutron.port(port_id)["binding:host_id"]
        except NotFound:
            return
        if host in self._agents.known():
            self._agents.require(host)

    # -- looking ---------------------------------------------------------------------------------------------

    def find_vif(self, prefix: str, hosts: Iterable[str]) -> str:
        """Find a port's id by its beginning: in Neutron, else (it may be deleted there) among what hosts hold."""
        try:
            return str(self._neutron.find_port(prefix)["id"])
        except NotFound:
            held = self._agents.ask_all(hosts, self._agents.list_vifs)
            vifs = [vif for answer in held.values() if not isinstance(answer, FakevmError) for vif in answer]
            return find_by_prefix("VIF", prefix, {vif.port_id: vif.instance_id for vif in vifs})

    def where(self, port_id: str) -> Whereabouts:
        """Find out on which hosts a port is plugged, and which hosts could not be asked."""
        answers = self._agents.ask_all(self._agents.alive(), lambda host: self._agents.show(host, port_id))
        return Whereabouts(
            {host: vif for host, vif in answers.items() if isinstance(vif, Vif)},
            {host: problem for host, problem in answers.items() if isinstance(problem, FakevmError)},
        )

    def host_of(self, port_id: str) -> str:
        """Find the one host on which a port is plugged. Raises NotFound, Ambiguous, Unreachable."""
        found = self.where(port_id)
        if len(found.vifs) == 1:
            return next(iter(found.vifs))
        if found.vifs:
            raise Ambiguous(f"VIF {port_id} is plugged on {', '.join(found.vifs)}", hint="Say --host HOST.")
        if found.unasked:
            raise next(iter(found.unasked.values()))
        raise NotFound(f"VIF {port_id} is not plugged on any host", hint=f"fakevm plug {port_id} --host HOST plugs it.")

    def rows(self, host: str | None = None) -> tuple[list[GuestRow], list[str]]:
        """List the fake VMs, on one host or all; also the hosts whose agents could not be asked, and why."""
        if host:
            self._agents.require(host)
        hosts = [host] if host else self._agents.alive()
        answers = self._agents.ask_all(hosts, self._agents.list_vifs)
        silent_hosts = [f"{name}: {a.what}" for name, a in answers.items() if isinstance(a, FakevmError)]
        if not host:
            silent_hosts += [f"{dead.host}: {dead.result}" for dead in self._dead_hosts()]
        plugged = [vif for answer in answers.values() if not isinstance(answer, FakevmError) for vif in answer]
        ports = [p for p in self._neutron.ports() if self._concerns(p, hosts, plugged)]
        names = {network["id"]: network["name"] for network in self._neutron.networks()}
        return merge(ports, plugged, names), silent_hosts

    def show(self, vif: str) -> tuple[Resource | None, dict[str, Vif]]:
        """Give Neutron's port (None when it is only on a host) and the VIF on each host that holds it."""
        port_id = self.find_vif(vif, self._agents.alive())
        try:
            port: Resource | None = self._neutron.port(port_id)
        except NotFound:
            port = None
        return port, self.where(port_id).vifs

    def left_of_a_migration(self, port: Resource | None, vifs: Mapping[str, Vif]) -> list[str]:
        """Say what a migration that is under way, or was cut short, shows of itself on a port."""
        if port is None:
            return []
        try:
            bindings = self._neutron.bindings(port["id"])
        except (Refused, NotFound):  # an administrator's right, and an extension of the API
            bindings = []
        return diagnose(port, bindings, vifs)

    # -- within ----------------------------------------------------------------------------------------------

    def _concerns(self, port: Resource, hosts: Iterable[str], plugged: Iterable[Vif]) -> bool:
        held = port["id"] in {vif.port_id for vif in plugged}
        return held or (is_for_a_vm(port) and port["binding:host_id"] in (*hosts, *self._dead(hosts)))

    def _dead(self, hosts: Iterable[str]) -> list[str]:
        everywhere = set(self._agents.alive()) <= set(hosts)
        return [host for host, agent in self._agents.known().items() if not agent["alive"]] if everywhere else []

    def _dead_hosts(self) -> list[Unplugged]:
        return [
            Unplugged(host=host, result=f"agent down since {agent['heartbeat_timestamp']} UTC", failed=True)
            for host, agent in sorted(self._agents.known().items())
            if not agent["alive"]
        ]

    def _unplug_on(self, port_id: str, hosts: Iterable[str]) -> list[Unplugged]:
        answers = self._agents.ask_all(hosts, lambda host: self._agents.unplug(host, port_id))
        return [_unplugged(host, answer) for host, answer in answers.items()]

    def _refuse_elsewhere(self, port: Resource, host: str) -> None:
        """Raise Conflict when the port is plugged on another host, AgentDown when that cannot be known."""
        found = self.where(port["id"])
        elsewhere = [name for name in found.vifs if name != host]
        if elsewhere:
            raise Conflict(
                f"port {port['id']} is plugged on {', '.join(elsewhere)}",
                hint=f"Unplug it there first, or move it: fakevm migrate {host} {port['id']} --host {elsewhere[0]}",
            )
        bound = port["binding:host_id"]
        if bound in found.unasked:
            raise found.unasked[bound]
        agent: dict[str, Any] | None = self._agents.known().get(bound) if bound != host else None
        if agent and not agent["alive"]:
            raise AgentDown(
                f"port {port['id']} is bound to {bound}, whose agent is down since {agent['heartbeat_timestamp']} UTC:"
                " it may still be plugged there",
                hint=f"Start neutron-fakevm-agent on {bound} again, or unbind the port.",
            )


def merge(ports: Iterable[Resource], plugged: Iterable[Vif], network_names: dict[str, str]) -> list[GuestRow]:
    """Lay Neutron's view and the agents' side by side, a row for each port."""
    held: dict[str, list[Vif]] = {}
    for vif in plugged:
        held.setdefault(vif.port_id, []).append(vif)
    rows = [_row(port, held.pop(port["id"], []), network_names) for port in ports]
    rows += [_orphan(vifs, network_names) for vifs in held.values()]
    return sorted(rows, key=lambda row: (row.network, row.instance_id, row.port_id))


def _row(port: Resource, vifs: list[Vif], network_names: dict[str, str]) -> GuestRow:
    addresses = vifs[0].addresses if vifs else tuple(fixed["ip_address"] for fixed in port["fixed_ips"])
    return GuestRow(
        port_id=port["id"],
        instance_id=port["device_id"],
        network=str(network_names.get(port["network_id"], port["network_id"])),
        bound_host=port["binding:host_id"],
        status=port["status"],
        mac_address=port["mac_address"],
        addresses=addresses,
        plugged_on=tuple(vif.host for vif in vifs),
        problem="; ".join(vif.problem for vif in vifs if vif.problem),
    )


def _orphan(vifs: list[Vif], network_names: dict[str, str]) -> GuestRow:
    first = vifs[0]
    return GuestRow(
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


def _unplugged(host: str, answer: bool | FakevmError) -> Unplugged:
    if isinstance(answer, FakevmError):
        return Unplugged(host=host, result=answer.what, failed=True)
    return Unplugged(host=host, result="unplugged" if answer else "was not plugged")
