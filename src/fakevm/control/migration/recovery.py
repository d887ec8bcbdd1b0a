"""Repairing a migration that was cut short: one host keeps the guest, all else goes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence

from fakevm.control.agents import Agents
from fakevm.control.binding import MIGRATING_TO
from fakevm.control.diagnosis import diagnose, on_hosts
from fakevm.control.job import Job
from fakevm.control.known import words
from fakevm.control.lookout import Lookout
from fakevm.control.migration import moving
from fakevm.control.migration.moving import Found
from fakevm.control.migration.settling import Settling
from fakevm.control.neutron import Neutron, Resource
from fakevm.errors import Conflict, FakevmError, NotFound
from fakevm.model.guest import GuestSeen, GuestState
from fakevm.model.identity import called
from fakevm.model.value import Value
from fakevm.progress import SILENT, Progress


class Recovery(Value):
    """What was found, what was done about it, and what could not be; ``host`` keeps the guest.

    ``port_id`` is that of its first port, ``status`` what Neutron calls its ports: ACTIVE when all are.
    """

    name: str
    port_id: str
    instance_id: str
    host: str
    status: str
    found: tuple[str, ...]
    done: tuple[str, ...]
    left: tuple[str, ...]


def keeper(who: str, ports: Sequence[Resource], guests: Mapping[str, GuestSeen]) -> str:
    """Choose the host that keeps the guest: that of the ACTIVE bindings if it is there, else the only one.

    So a migration that died before the switch goes back, and one that died after it goes on. Of several ports only some
    may have been switched: then the host keeps it where it is awake. Raises Conflict when that tells nothing.
    """
    bound = [str(port["binding:host_id"]) for port in ports if port["binding:host_id"] in guests]
    if bound:
        return min(set(bound), key=lambda host: (guests[host].asleep, -bound.count(host), host))
    if len(guests) == 1 or (guests and not ports):
        return min(guests, key=lambda host: (guests[host].asleep, host))
    where = f"on {' and '.join(sorted(guests))}" if guests else "nowhere"
    named = next((port["binding:host_id"] for port in ports if port["binding:host_id"]), "")
    ids = " ".join(port["id"] for port in ports)
    raise Conflict(
        f"{who} is bound to {named or 'no host'}, but plugged {where}",
        hint=f"fakevm unplug-all-host {ids}, then fakevm plug {ids} --host HOST.",
    )


class Recoverer:
    """Repairs one guest. ``timeout`` (seconds) is for the wait until its ports are ACTIVE."""

    def __init__(self, neutron: Neutron, agents: Agents, *, timeout: float = 60.0, progress: Progress = SILENT) -> None:
        self._neutron = neutron
        self._agents = agents
        self._timeout = timeout
        self._progress = progress
        self._done: list[str] = []
        self._left: list[str] = []

    def recover(self, guest: str) -> Recovery:
        """Bring the guest to one host and remove the rest of the migration; harmless when all is well.

        What concerns other hosts than the one that keeps the guest is tried, and told when it fails. Raises NotFound,
        Ambiguous, Conflict when it is plugged nowhere or another command works on it, AgentDown when that host does not
        answer, Gone, TimedOut.
        """
        found = moving.find(self._neutron, self._agents, guest)
        job = Job(Lookout(self._neutron, self._agents), self._progress)
        for port_id in found.port_ids[:1]:
            job.lookout.exists(port_id)
        doing = "its repair (migrate --recover)"
        with self._agents.claimed(found.things, doing, guests=[found.guest_id]):
            return job.attend(lambda: self._recover(found))

    def _recover(self, found: Found) -> Recovery:
        guests = self._guests(found.guest_id)
        ports = self._concerned(found.ports(self._neutron), guests)
        host = keeper(found.words, ports, guests)
        self._agents.require(host)
        if guests[host].state == "stopped":
            hint = f"fakevm guest start {guests[host].title} starts it."
            raise Conflict(f"{found.words} is stopped on {host}: nothing of it can be repaired", hint=hint)
        wrong = self._diagnose(ports, guests, host)
        if wrong:
            self._repair(found.guest_id, ports, host, guests)
        first: Resource = ports[0] if ports else {"id": "", "name": guests[host].name, "device_id": ""}
        return Recovery(
            name=called(first["name"], first["device_id"], first["id"] or found.guest_id),
            port_id=first["id"],
            instance_id=first["device_id"],
            host=host,
            status=self._status(ports),
            found=tuple(wrong),
            done=tuple(self._done),
            left=tuple(self._left),
        )

    def _guests(self, guest_id: str) -> dict[str, GuestSeen]:
        """Look for the guest on every host; a host that does not answer is told."""
        answers = self._agents.ask_all(self._agents.alive(), lambda host: self._agents.on(host).show_guest(guest_id))
        for host, answer in answers.items():
            if isinstance(answer, FakevmError) and not isinstance(answer, NotFound):
                self._left.append(f"not looked at {host}: {answer.what}")
        return {host: answer for host, answer in answers.items() if isinstance(answer, GuestSeen)}

    def _concerned(self, ports: Mapping[str, Resource], guests: Mapping[str, GuestSeen]) -> list[Resource]:
        """Give the ports that are bound, or plugged anywhere; another was never a part of it."""
        plugged = {port_id for guest in guests.values() for port_id in moving.ports_on(guest)}
        return [port for port_id, port in ports.items() if port["binding:host_id"] or port_id in plugged]

    def _diagnose(self, ports: Sequence[Resource], guests: Mapping[str, GuestSeen], host: str) -> list[str]:
        wrong = [said for port in ports for said in self._wrong_with(port, guests, host)]
        return list(dict.fromkeys([*wrong, *on_hosts(guests)]))

    def _wrong_with(self, port: Resource, guests: Mapping[str, GuestSeen], host: str) -> list[str]:
        """Say what is wrong with a port by itself."""
        wrong = diagnose(port, self._neutron.bindings(port["id"]), {})
        if port["binding:host_id"] != host:
            wrong.append(f"{words(port['id'])} is bound to {port['binding:host_id'] or 'no host'}")
        if port["id"] not in moving.ports_on(guests[host]):
            wrong.append(f"{words(port['id'])} is not plugged on {host}")
        if port["status"] != "ACTIVE":
            wrong.append(f"Neutron calls it {port['status']}")
        return wrong

    def _status(self, ports: Sequence[Resource]) -> str:
        found = [str(self._neutron.port(port["id"])["status"]) for port in ports]
        return next((status for status in found if status != "ACTIVE"), "ACTIVE" if found else "")

    def _repair(self, guest_id: str, ports: Sequence[Resource], host: str, guests: Mapping[str, GuestSeen]) -> None:
        others = sorted(set(guests) - {host})
        devices = _devices(ports, guests)
        whose = {port_id: f" of {device}" if len(ports) > 1 else "" for port_id, device in devices.items()}
        if guests[host].asleep:
            self._wake(guest_id, host, {name: guests[name] for name in others})
        for port in ports:
            if port["binding:host_id"] != host:
                self._activate(port["id"], host, whose[port["id"]])
        for other in others:
            self._take_links(guest_id, host, guests[host], guests[other])
            self._try(f"unplugged on {other}", functools.partial(self._agents.on(other).remove, guest_id))
        for port in ports:
            self._clear_profile(port["id"], whose[port["id"]])
            for binding in self._neutron.bindings(port["id"]):
                if binding["host"] != host:
                    delete = functools.partial(self._neutron.delete_binding, port["id"], binding["host"])
                    self._try(f"deleted the binding{whose[port['id']]} to {binding['host']}", delete)
        if ports:
            self._settle(guest_id, devices, host)

    def _wake(self, guest_id: str, host: str, others: Mapping[str, GuestSeen]) -> None:
        """Wake the guest with the newest state there is."""
        self._agents.on(host).resume(guest_id, self._newest_state(guest_id, host, others))
        self._tell(f"woke the guest on {host}")

    def _newest_state(self, guest_id: str, host: str, others: Mapping[str, GuestSeen]) -> GuestState | None:
        """Read that of a guest which was awake until now; else None, its own saved one, or if it has none another's."""
        for other in sorted(others, key=lambda name: others[name].asleep):
            if not others[other].asleep:
                return self._agents.on(other).pause(guest_id)
            if not self._agents.on(host).read_state(guest_id).interfaces:
                return self._agents.on(other).read_state(guest_id)
        return None

    def _activate(self, port_id: str, host: str, whose: str) -> None:
        """Make the binding to a host the ACTIVE one; where there is none, the port is bound there."""
        if host in (binding["host"] for binding in self._neutron.bindings(port_id)):
            self._neutron.activate_binding(port_id, host)
            self._tell(f"activated the binding{whose} to {host}")
        else:
            self._neutron.update_port(port_id, f"bind {words(port_id)} to {host}", binding_host_id=host)
            self._tell(f"bound {words(port_id)} to {host}")

    def _take_links(self, guest_id: str, host: str, guest: GuestSeen, other: GuestSeen) -> None:
        """Attach to its links what only another host's guest has."""
        names = {interface.name for interface in guest.interfaces}
        for interface in other.interfaces:
            if interface.wanted and interface.name not in names:
                attach = functools.partial(self._agents.on(host).attach, guest_id, interface.wanted)
                self._try(f"attached {interface.name} to link {interface.attached} on {host}", attach)

    def _clear_profile(self, port_id: str, whose: str) -> None:
        profile = dict(self._neutron.port(port_id)["binding:profile"] or {})
        if profile.pop(MIGRATING_TO, None):
            what = f"change the binding profile of {words(port_id)}"
            self._neutron.update_port(port_id, what, binding_profile=profile)
            self._tell(f"cleared migrating_to{whose}")

    def _settle(self, guest_id: str, devices: Mapping[str, str], host: str) -> None:
        """Wait for ACTIVE; what the guest announced before its wiring was lost, so it says it again."""
        self._progress.seen("waiting for Neutron to call it ACTIVE")
        settling = Settling(
            self._neutron, self._agents, guest_id, devices, host=host, note=lambda _name, said: self._tell(said)
        )
        settling.settle(self._timeout)
        self._agents.on(host).pause(guest_id)
        self._agents.on(host).resume(guest_id)

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


def _devices(ports: Sequence[Resource], guests: Mapping[str, GuestSeen]) -> dict[str, str]:
    """Say what the interfaces of ports are called in the guest, "" where nobody knows it any more."""
    known = {interface.attached: interface.name for guest in guests.values() for interface in guest.interfaces}
    return {port["id"]: known.get(port["id"], "") for port in ports}
