"""The verbs on ports that exist: plug, unplug, delete, list, show."""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

from fakevm.control.agents import GLANCE, SILENCE, Agents
from fakevm.control.binding import is_bound
from fakevm.control.diagnosis import diagnose
from fakevm.control.expectation import Events
from fakevm.control.known import words
from fakevm.control.lookout import Lookout
from fakevm.control.lookup import Candidate, find_guest, listed, only
from fakevm.control.neutron import Neutron, Resource, is_for_a_vm
from fakevm.control.progress import Say, Stopwatch, silent
from fakevm.control.wiring import WiredPort, Wiring, Wish
from fakevm.errors import AgentDown, Ambiguous, Conflict, FakevmError, NotFound, Refused
from fakevm.model.identity import called
from fakevm.model.port import Vif
from fakevm.model.value import Value

LOG = logging.getLogger(__name__)
# Ports that are deleted at once; more requests would only queue in Neutron's few processes.
DELETIONS_AT_ONCE = 4
UNPLUGGED = "unplugged"
NOTHING = "was not plugged"


class Unplugged(Value):
    """What unplugging did on one host: ``unplugged``, ``was not plugged``, or why it could not."""

    host: str
    result: str
    failed: bool = False


class Deleted(NamedTuple):
    """A port, and what was done on each host and in Neutron."""

    port: Candidate
    results: list[Unplugged]


@dataclass(frozen=True)
class Whereabouts:
    """The hosts that hold a port, with its VIF there; and those that could not be asked, with the reason."""

    vifs: dict[str, Vif]
    unasked: dict[str, FakevmError]


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


class Service:
    """Acts on ports by the words that users have for them, through Neutron and the hosts' agents."""

    def __init__(self, neutron: Neutron, agents: Agents, say: Say = silent, events: Events | None = None) -> None:
        self._neutron = neutron
        self._agents = agents
        self._say = say
        self._events = events
        agents.prepare()

    # -- plug and unplug -------------------------------------------------------------------------------------

    def plug(self, vif: str, wish: Wish) -> WiredPort:
        """Plug a port that exists, binding it there if it is bound nowhere; no change when that is so already.

        Raises NotFound, Ambiguous, Conflict when it is plugged on another host or another command works on it, and what
        wiring raises.
        """
        port_id = only(vif, self._neutron.find_guest(vif)).port_id
        self._agents.require(wish.host)
        lookout = Lookout(self._neutron, self._agents)
        lookout.exists(port_id)
        with lookout.explained(), self._agents.claimed([port_id], f"plugging it on {wish.host}"):
            return self._plug(self._neutron.port(port_id), wish)

    def _plug(self, port: Resource, wish: Wish) -> WiredPort:
        self._refuse_elsewhere(port, wish.host)
        if self._agents.show(wish.host, port["id"]) is None and is_bound(port, wish.host):
            self._say(f"{words(port['id'])} is bound to {wish.host}, but not plugged there")
        network = self._neutron.network(port["network_id"])
        subnets = self._neutron.subnets(network["id"])
        wiring = Wiring(self._neutron, self._agents, network, subnets, say=self._say, events=self._events)
        return wiring.job.run(functools.partial(wiring.wire, port, wish, Stopwatch()))

    def unplug(self, vif: str, host: str) -> tuple[Candidate, Unplugged]:
        """Unplug on one host, and give the port; Neutron's is left as it is.

        Raises NotFound also when it is not plugged there, Ambiguous, AgentDown, PlugFailed, Conflict when another
        command works on it.
        """
        self._agents.require(host)
        port = only(vif, self.find_guest(vif, [host]))
        with self._agents.claimed([port.port_id], f"unplugging it on {host}"):
            unplugged = self._agents.unplug(host, port.port_id)
        if not unplugged:
            elsewhere = ", ".join(self.where(port.port_id).vifs)
            hint = f"It is plugged on {elsewhere}." if elsewhere else "It is plugged nowhere."
            raise NotFound(f"{port.words} is not plugged on {host}", hint=hint)
        return port, Unplugged(host=host, result=UNPLUGGED)

    def unplug_all_hosts(self, vif: str) -> tuple[Candidate, list[Unplugged]]:
        """Unplug wherever it is plugged; a host that cannot answer is reported, not hidden."""
        port = only(vif, self.find_guest(vif, self._agents.alive()))
        return port, self._unplug_on(port.port_id, self._agents.alive()) + self._dead_hosts()

    def delete_all(self, vifs: Iterable[str], *, whole: bool = False) -> dict[str, list[Deleted] | FakevmError]:
        """Delete several, a few at once; gives what became of each. When it is interrupted, those not begun stay.

        ``whole``: of a guest that has several ports all of them; else such a guest is refused.
        """
        with ThreadPoolExecutor(DELETIONS_AT_ONCE) as pool:
            begun = {vif: pool.submit(self._try_to_delete, vif, whole) for vif in vifs}
            try:
                return {vif: future.result() for vif, future in begun.items()}
            except BaseException:
                pool.shutdown(cancel_futures=True)
                tried = [future.result() for future in begun.values() if not future.cancelled()]
                deleted = sum(not isinstance(outcome, FakevmError) for outcome in tried)
                LOG.warning("%d of %d were deleted, the others stay", deleted, len(begun))
                raise

    def _try_to_delete(self, vif: str, whole: bool) -> list[Deleted] | FakevmError:
        try:
            return self.delete(vif, whole=whole)
        except FakevmError as problem:
            return problem

    def delete(self, vif: str, *, whole: bool = False) -> list[Deleted]:
        """Unplug wherever it is plugged, then delete the port; one that Neutron has forgotten is unplugged only.

        ``whole``: all ports of a guest that has several, its first one last. Raises NotFound, Ambiguous, AgentDown,
        FakevmError when a host could not unplug it.
        """
        ports = self.find_guest(vif, self._agents.alive())
        if len(ports) > 1 and not whole:
            raise Ambiguous(
                f"the guest {vif!r} has {len(ports)} ports:{listed(ports)}",
                hint=f"All of them: fakevm delete-port --all {vif}. One of them: give its id.",
            )
        return [self._delete(port) for port in reversed(ports)]

    def _delete(self, port: Candidate) -> Deleted:
        port_id = port.port_id
        self._require_bound_host(port_id)
        hosts = self._agents.alive()
        self._say(f"unplugging {port.words}: all hosts are asked")
        results = self._unplug_on(port_id, hosts)
        failed = [result for result in results if result.failed]
        if failed:
            reasons = "; ".join(f"{result.host}: {result.result}" for result in failed)
            raise FakevmError(
                f"{port.words} was not deleted, since it could not be unplugged: {reasons}",
                hint="Delete it again when that is mended; what was unplugged stays so.",
            )
        deleted = self._neutron.delete_port(port_id)
        # Another command may have plugged it once more before it could see that the port is gone.
        again = {result.host: result for result in self._unplug_on(port_id, hosts) if result.result != NOTHING}
        results = [again.get(result.host, result) for result in results]
        return Deleted(port, [*results, Unplugged(host="Neutron", result="deleted" if deleted else "was not there")])

    def _require_bound_host(self, port_id: str) -> None:
        """Make sure that the host to which the port is bound can be asked to unplug it."""
        try:
            host = self._neutron.port(port_id)["binding:host_id"]
        except NotFound:
            return
        if host in self._agents.known():
            self._agents.require(host)

    # -- looking ---------------------------------------------------------------------------------------------

    def find_guest(self, words: str, hosts: Iterable[str]) -> tuple[Candidate, ...]:
        """Find a port, or a guest's several, in Neutron, else (it may be deleted there) among what hosts hold.

        Raises NotFound, Ambiguous.
        """
        try:
            return self._neutron.find_guest(words)
        except NotFound:
            held = self._agents.ask_all(hosts, self._glance)
            vifs = [vif for answer in held.values() if not isinstance(answer, FakevmError) for vif in answer]
            if not vifs:
                raise
            return find_guest(words, map(candidate, vifs))

    def _glance(self, host: str) -> list[Vif]:
        return self._agents.list_vifs(host, GLANCE)

    def where(self, port_id: str, *, bound: str | None = None) -> Whereabouts:
        """Find out on which hosts a port is plugged, and which hosts could not be asked.

        ``bound``: the host to which it is bound, which should know; nobody waits long for the others then.
        """

        def ask(host: str) -> Vif | None:
            return self._agents.show(host, port_id, SILENCE if bound in (None, host) else GLANCE)

        answers = self._agents.ask_all(self._agents.alive(), ask)
        return Whereabouts(
            {host: vif for host, vif in answers.items() if isinstance(vif, Vif)},
            {host: problem for host, problem in answers.items() if isinstance(problem, FakevmError)},
        )

    def host_of(self, port: Candidate) -> str:
        """Find the one host on which a port is plugged. Raises NotFound, Ambiguous, Unreachable."""
        if self._is_there(port):
            return port.host
        found = self.where(port.port_id)
        if len(found.vifs) == 1:
            return next(iter(found.vifs))
        if found.vifs:
            raise Ambiguous(f"{port.words} is plugged on {', '.join(found.vifs)}", hint="Say --host HOST.")
        if found.unasked:
            raise next(iter(found.unasked.values()))
        plug = f"fakevm plug {port.port_id} --host HOST plugs it."
        raise NotFound(f"{port.words} is not plugged on any host", hint=plug)

    def _is_there(self, port: Candidate) -> bool:
        """Tell whether a port is where Neutron has bound it: then nobody else need be asked."""
        if port.host not in self._agents.alive():
            return False
        try:
            return self._agents.show(port.host, port.port_id) is not None
        except AgentDown:
            return False

    def rows(self, host: str | None = None) -> tuple[list[GuestRow], list[str]]:
        """List the fake VMs, on one host or all; also the hosts whose agents could not be asked, and why."""
        if host:
            self._agents.require(host)
        hosts = [host] if host else self._agents.alive()
        answers = self._agents.ask_all(hosts, self._agents.list_vifs if host else self._glance)
        silent_hosts = [f"{name}: {a.what}" for name, a in answers.items() if isinstance(a, FakevmError)]
        if not host:
            silent_hosts += [f"{dead.host}: {dead.result}" for dead in self._dead_hosts()]
        plugged = [vif for answer in answers.values() if not isinstance(answer, FakevmError) for vif in answer]
        ports = [p for p in self._neutron.ports() if self._concerns(p, hosts, plugged)]
        names = {network["id"]: network["name"] for network in self._neutron.networks()}
        return merge(ports, plugged, names), silent_hosts

    def show(self, vif: str) -> tuple[Resource | None, Whereabouts, Sequence[Candidate]]:
        """Give Neutron's port (None when it is only on a host), and the VIF on each host that holds it.

        Of a guest with several ports it is the first, and the others are named, too.
        """
        first, *others = self.find_guest(vif, self._agents.alive())
        port_id = first.port_id
        try:
            port: Resource | None = self._neutron.port(port_id)
        except NotFound:
            port = None
        return port, self.where(port_id, bound=port["binding:host_id"] if port else None), others

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
                f"{words(port['id'])} is plugged on {', '.join(elsewhere)}",
                hint=f"Unplug it there first, or move it: fakevm migrate {host} {port['id']} --host {elsewhere[0]}",
            )
        bound = port["binding:host_id"]
        if bound in found.unasked:
            raise found.unasked[bound]
        agent: dict[str, Any] | None = self._agents.known().get(bound) if bound != host else None
        if agent and not agent["alive"]:
            raise AgentDown(
                f"{words(port['id'])} is bound to {bound}, whose agent is down since "
                f"{agent['heartbeat_timestamp']} UTC: it may still be plugged there",
                hint=f"Start neutron-fakevm-agent on {bound} again, or unbind the port.",
            )


def merge(ports: Iterable[Resource], plugged: Iterable[Vif], network_names: dict[str, str]) -> list[GuestRow]:
    """Lay Neutron's view and the agents' side by side, a row for each port."""
    held: dict[str, list[Vif]] = {}
    for vif in plugged:
        held.setdefault(vif.port_id, []).append(vif)
    rows = [_row(port, held.pop(port["id"], []), network_names) for port in ports]
    rows += [_orphan(vifs, network_names) for vifs in held.values()]
    return sorted(rows, key=lambda row: (row.network, row.name, row.port_id))


def candidate(vif: Vif) -> Candidate:
    """Give a VIF that a host holds as a port that may be meant."""
    return Candidate(vif.port_id, vif.name, vif.instance_id, vif.host)


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
        problem="; ".join(vif.problem for vif in vifs if vif.problem),
    )


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


def _unplugged(host: str, answer: bool | FakevmError) -> Unplugged:
    if isinstance(answer, FakevmError):
        return Unplugged(host=host, result=answer.what, failed=True)
    return Unplugged(host=host, result=UNPLUGGED if answer else NOTHING)
