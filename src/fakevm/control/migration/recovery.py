"""Repairing a migration that was cut short: one host keeps the guest, all else goes."""

from __future__ import annotations

import functools
from collections.abc import Callable

from fakevm.control.agents import Agents
from fakevm.control.binding import MIGRATING_TO
from fakevm.control.diagnosis import diagnose
from fakevm.control.job import Job
from fakevm.control.known import words
from fakevm.control.lookout import Lookout
from fakevm.control.migration.settling import Settling
from fakevm.control.neutron import Neutron, Resource
from fakevm.control.whereabouts import Whereabouts
from fakevm.errors import Conflict, FakevmError
from fakevm.model.identity import called
from fakevm.model.port import Vif
from fakevm.model.value import Value
from fakevm.progress import SILENT, Progress


class Recovery(Value):
    """What was found, what was done about it, and what could not be; ``host`` keeps the guest."""

    name: str
    port_id: str
    instance_id: str
    host: str
    status: str
    found: tuple[str, ...]
    done: tuple[str, ...]
    left: tuple[str, ...]


def keeper(port: Resource, vifs: dict[str, Vif]) -> str:
    """Choose the host that keeps the guest: the one of the ACTIVE binding if it is plugged there, else the only one.

    So a migration that died before the switch goes back, and one that died after it goes on. Raises Conflict when that
    tells nothing.
    """
    bound = str(port["binding:host_id"])
    if bound in vifs:
        return bound
    if len(vifs) == 1:
        return next(iter(vifs))
    where = f"on {' and '.join(sorted(vifs))}" if vifs else "nowhere"
    raise Conflict(
        f"{words(port['id'])} is bound to {bound or 'no host'}, but plugged {where}",
        hint=f"fakevm unplug-all-host {port['id']}, then fakevm plug {port['id']} --host HOST.",
    )


class Recoverer:
    """Repairs one port. ``timeout`` (seconds) is for the wait until it is ACTIVE."""

    def __init__(self, neutron: Neutron, agents: Agents, *, timeout: float = 60.0, progress: Progress = SILENT) -> None:
        self._neutron = neutron
        self._agents = agents
        self._timeout = timeout
        self._progress = progress
        self._done: list[str] = []
        self._left: list[str] = []

    def recover(self, vif: str) -> Recovery:
        """Bring the port to one host and remove the rest of the migration; harmless when all is well.

        What concerns other hosts than the one that keeps the guest is tried, and told when it fails. Raises NotFound,
        Ambiguous, Conflict when it is plugged nowhere or another command works on it, AgentDown when that host does not
        answer, Gone, TimedOut.
        """
        port_id = self._neutron.find_guest(vif)[0].port_id
        job = Job(Lookout(self._neutron, self._agents), self._progress)
        job.lookout.exists(port_id)
        with self._agents.claimed([port_id], "its repair (migrate --recover)"):
            return job.attend(lambda: self._recover(self._neutron.port(port_id)))

    def _recover(self, port: Resource) -> Recovery:
        found = Whereabouts(self._neutron, self._agents).where(port["id"])
        self._left += [f"not looked at {host}: {problem.what}" for host, problem in found.unasked.items()]
        bindings = self._neutron.bindings(port["id"])
        host = keeper(port, found.vifs)
        self._agents.require(host)
        wrong = diagnose(port, bindings, found.vifs)
        if port["status"] != "ACTIVE":
            wrong.append(f"Neutron calls it {port['status']}")
        if wrong:
            self._repair(port, host, found.vifs)
        return Recovery(
            name=called(port["name"], port["device_id"], port["id"]),
            port_id=port["id"],
            instance_id=port["device_id"],
            host=host,
            status=self._neutron.port(port["id"])["status"],
            found=tuple(wrong),
            done=tuple(self._done),
            left=tuple(self._left),
        )

    def _repair(self, port: Resource, host: str, vifs: dict[str, Vif]) -> None:
        port_id = port["id"]
        if vifs[host].asleep:
            self._wake(port_id, host, [name for name, vif in vifs.items() if not vif.asleep])
        if port["binding:host_id"] != host:
            self._neutron.activate_binding(port_id, host)
            self._tell(f"activated the binding to {host}")
        for other in sorted(set(vifs) - {host}):
            self._try(f"unplugged on {other}", functools.partial(self._agents.on(other).unplug, port_id))
        self._clear_profile(port_id)
        for binding in self._neutron.bindings(port_id):
            if binding["host"] != host:
                delete = functools.partial(self._neutron.delete_binding, port_id, binding["host"])
                self._try(f"deleted the binding to {binding['host']}", delete)
        self._settle(port_id, host)

    def _wake(self, port_id: str, host: str, awake: list[str]) -> None:
        """Wake the guest with the newest state there is: that of a guest which was awake until now, else its own."""
        state = None
        for other in awake:
            state = self._agents.on(other).pause(port_id)
        self._agents.on(host).resume(port_id, state)
        self._tell(f"woke the guest on {host}")

    def _clear_profile(self, port_id: str) -> None:
        profile = dict(self._neutron.port(port_id)["binding:profile"] or {})
        if profile.pop(MIGRATING_TO, None):
            what = f"change the binding profile of {words(port_id)}"
            self._neutron.update_port(port_id, what, binding_profile=profile)
            self._tell("cleared migrating_to")

    def _settle(self, port_id: str, host: str) -> None:
        """Wait for ACTIVE; what the guest announced before its wiring was lost, so it says it again."""
        self._progress.seen("waiting for Neutron to call it ACTIVE")
        settling = Settling(self._neutron, self._agents, port_id, host, lambda _name, words: self._tell(words))
        settling.settle(self._timeout)
        self._agents.on(host).pause(port_id)
        self._agents.on(host).resume(port_id)

    def _tell(self, what: str) -> None:
        self._progress.seen(what)
        self._done.append(what)

    def _try(self, what: str, act: Callable[[], object]) -> None:
        try:
            act()
        except FakevmError as problem:
            self._left.append(f"not {what}: {problem.what}")
        else:
            self._tell(what)
