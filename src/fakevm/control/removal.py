"""Unplugging ports, and deleting them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from fakevm.control.agents import Agents
from fakevm.control.lookup import Candidate, listed, only
from fakevm.control.neutron import Neutron
from fakevm.control.whereabouts import Whereabouts
from fakevm.errors import Ambiguous, FakevmError, NotFound
from fakevm.model.value import Value
from fakevm.progress import SILENT, Progress, Tally

LOG = logging.getLogger(__name__)
# Ports that are deleted at once; more requests would only queue in Neutron's few processes.
DELETIONS_AT_ONCE = 4
# More ports than this are looked for on all hosts at once, and not each by itself.
FEW = 3
UNPLUGGED = "unplugged"
NOTHING = "was not plugged"

# Which hosts are asked to unplug a port.
HostsOf = Callable[[Candidate], Sequence[str]]


class Unplugged(Value):
    """What unplugging did on one host: ``unplugged``, ``was not plugged``, or why it could not."""

    host: str
    result: str
    failed: bool = False


class Deleted(NamedTuple):
    """A port, and what was done on each host and in Neutron."""

    port: Candidate
    results: list[Unplugged]


class Removal:
    """Takes ports from hosts, and out of Neutron."""

    def __init__(self, neutron: Neutron, agents: Agents, progress: Progress = SILENT) -> None:
        self._neutron = neutron
        self._agents = agents
        self._progress = progress
        self._whereabouts = Whereabouts(neutron, agents)

    def unplug(self, vif: str, host: str) -> tuple[Candidate, Unplugged]:
        """Unplug on one host, and give the port; Neutron's is left as it is.

        Raises NotFound also when it is not plugged there, Ambiguous, AgentDown, PlugFailed, Conflict when another
        command works on it.
        """
        self._agents.require(host)
        port = only(vif, self._whereabouts.find_guest(vif, [host]))
        with self._agents.claimed([port.port_id], f"unplugging it on {host}"):
            unplugged = self._agents.on(host).unplug(port.port_id)
        if not unplugged:
            elsewhere = ", ".join(self._whereabouts.where(port.port_id).vifs)
            hint = f"It is plugged on {elsewhere}." if elsewhere else "It is plugged nowhere."
            raise NotFound(f"{port.words} is not plugged on {host}", hint=hint)
        return port, Unplugged(host=host, result=UNPLUGGED)

    def unplug_all_hosts(self, vif: str) -> tuple[Candidate, list[Unplugged]]:
        """Unplug wherever it is plugged; a host that cannot answer is reported, not hidden."""
        port = only(vif, self._whereabouts.find_guest(vif, self._agents.alive()))
        return port, self._unplug_on(port.port_id, self._agents.alive()) + self._dead_hosts()

    def delete_all(self, vifs: Iterable[str], *, whole: bool = False) -> dict[str, list[Deleted] | FakevmError]:
        """Delete several, a few at once; gives what became of each. When it is interrupted, those not begun stay.

        ``whole``: of a guest that has several ports all of them; else such a guest is refused.
        """
        words = list(vifs)
        hosts_of = self._holding() if len(words) > FEW else self._all_hosts
        tally = Tally(self._progress, len(words), "are deleted")

        def delete(vif: str) -> list[Deleted] | FakevmError:
            outcome = self._try_to_delete(vif, whole, hosts_of)
            tally.count()
            return outcome

        with ThreadPoolExecutor(DELETIONS_AT_ONCE) as pool:
            begun = {vif: pool.submit(delete, vif) for vif in words}
            try:
                return {vif: future.result() for vif, future in begun.items()}
            except BaseException:
                pool.shutdown(cancel_futures=True)
                tried = [future.result() for future in begun.values() if not future.cancelled()]
                deleted = sum(not isinstance(outcome, FakevmError) for outcome in tried)
                LOG.warning("%d of %d were deleted, the others stay", deleted, len(begun))
                raise

    def _holding(self) -> HostsOf:
        """Ask each host once for all that it holds: then of each port only its hosts need be asked to unplug it.

        One that does not answer may hold any, and so may the host to which a port is bound: it may come there just now.
        """
        answers = self._agents.ask_all(self._agents.alive(), self._whereabouts.glance)
        held = {
            host: None if isinstance(answer, FakevmError) else {vif.port_id for vif in answer}
            for host, answer in answers.items()
        }

        def hosts_of(port: Candidate) -> list[str]:
            return [host for host, ports in held.items() if host == port.host or ports is None or port.port_id in ports]

        return hosts_of

    def _all_hosts(self, _port: Candidate) -> list[str]:
        return self._agents.alive()

    def _try_to_delete(self, vif: str, whole: bool, hosts_of: HostsOf) -> list[Deleted] | FakevmError:
        try:
            return self.delete(vif, whole=whole, hosts_of=hosts_of)
        except FakevmError as problem:
            return problem

    def delete(self, vif: str, *, whole: bool = False, hosts_of: HostsOf | None = None) -> list[Deleted]:
        """Unplug wherever it is plugged, then delete the port; one that Neutron has forgotten is unplugged only.

        ``whole``: all ports of a guest that has several. ``hosts_of`` says which hosts are to be asked, else it is all.
        Raises NotFound, Ambiguous, AgentDown, FakevmError when a host could not unplug it.
        """
        ports = self._whereabouts.find_guest(vif, self._agents.alive())
        if len(ports) > 1 and not whole:
            raise Ambiguous(
                f"the guest {vif!r} has {len(ports)} ports:{listed(ports)}",
                hint=f"All of them: fakevm delete-port --all {vif}. One of them: give its id.",
            )
        return [self._delete(port, (hosts_of or self._all_hosts)(port)) for port in ports]

    def _delete(self, port: Candidate, hosts: Sequence[str]) -> Deleted:
        port_id = port.port_id
        self._require_bound_host(port_id)
        self._progress.seen(f"unplugging {port.words}: {len(hosts)} hosts are asked")
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

    def _dead_hosts(self) -> list[Unplugged]:
        dead = self._whereabouts.dead_hosts()
        return [Unplugged(host=host, result=result, failed=True) for host, result in dead.items()]

    def _unplug_on(self, port_id: str, hosts: Iterable[str]) -> list[Unplugged]:
        answers = self._agents.ask_all(hosts, lambda host: self._agents.on(host).unplug(port_id))
        return [_unplugged(host, answer) for host, answer in answers.items()]


def _unplugged(host: str, answer: bool | FakevmError) -> Unplugged:
    if isinstance(answer, FakevmError):
        return Unplugged(host=host, result=answer.what, failed=True)
    return Unplugged(host=host, result=UNPLUGGED if answer else NOTHING)
