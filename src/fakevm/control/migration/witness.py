"""Other guests, of the same networks and links, that probe the one that moves."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from ipaddress import ip_address, ip_interface
from typing import NamedTuple

from fakevm.control.agents import Agents
from fakevm.control.known import words
from fakevm.control.neutron import Neutron
from fakevm.control.observer import Observer
from fakevm.errors import FakevmError, InvalidInput
from fakevm.model.migration import Outage, Probe
from fakevm.probe import outcome
from fakevm.waiting import remains

LOG = logging.getLogger(__name__)

# Seconds. The first answer of a guest that was never asked takes an ARP request and perhaps a flow that Neutron learns.
FIRST_ANSWER = 3.0
# How long it must have answered again before the probing ends, and how long that is waited for.
STEADY = 0.5
PATIENCE = 10.0


class Watched(NamedTuple):
    """An interface that is to be watched, and what it is called in a sentence.

    ``place`` is its network's id, or its link's name; ``addresses`` are plain.
    """

    device: str
    words: str
    place: str
    addresses: tuple[str, ...]
    is_link: bool = False


class Watcher(NamedTuple):
    """An interface of a guest from which another can be watched; ``addresses`` are in CIDR form."""

    guest_id: str
    title: str
    host: str
    place: str
    addresses: tuple[str, ...]
    port_id: str = ""


class Witness:
    """A guest that probes another by ICMP echo, all through its migration."""

    def __init__(self, agents: Agents, watcher: Watcher, address: str, interval: float) -> None:
        self._watcher = watcher
        self._address = address
        self._interval = interval
        self._observer = Observer(agents, watcher.host, watcher.guest_id, address, interval)

    def start(self) -> None:
        """Begin to probe; returns when the guest has answered, or after a while. Raises NotFound, AgentDown."""
        self._observer.start()
        if not self._answered_since(0.0, FIRST_ANSWER):
            LOG.warning(
                "%s gets no answer from %s even before the migration: do the security groups let ICMP in?",
                self._watcher.title,
                self._address,
            )

    def stop(self, began: float, patience: float | None = None) -> tuple[tuple[Probe, ...], Outage | None]:
        """Wait, ``patience`` seconds at most (PATIENCE), until the guest answers steadily again, and end the probing.

        Probes are timed from ``began``.
        """
        patience = PATIENCE if patience is None else patience
        try:
            steady = self._answered_since(time.time() + STEADY, patience) or not patience
            probes = outcome.read(self._observer.stop(), began=began)
        except FakevmError as problem:
            LOG.warning("the outage was not measured: %s", problem.what)
            return (), None
        if not steady and any(probe.answers for probe in probes):
            LOG.warning("%s has had no answer from %s for %g s", self._watcher.title, self._address, PATIENCE)
        return probes, outcome.outage(probes, observer=self._watcher.title, interval=self._interval)

    def _answered_since(self, moment: float, timeout: float) -> bool:
        """Wait for an answer that came after ``moment`` (seconds since the epoch), ``timeout`` seconds at most."""

        def unanswered() -> str:
            return "" if outcome.last_answer(self._observer.lines()) > moment else "no answer"

        return not remains(unanswered, timeout, pause=0.05)


def find_witnesses(
    neutron: Neutron,
    agents: Agents,
    guest_id: str,
    interfaces: Sequence[Watched],
    *,
    wanted: str | None,
    interval: float,
    last: tuple[str, ...] = (),
    never: tuple[str, ...] = (),
) -> dict[str, Witness]:
    """Choose who is to watch each interface of a guest, by its device's name; that of which nobody can is left out.

    It is the guest or port ``wanted`` where that can, else any other guest of the same network or link: those on the
    hosts of ``last`` come last, those on the hosts of ``never`` are not looked at. Raises InvalidInput when the one
    wanted can watch nothing.
    """
    known = _watchers(agents, links=any(watched.is_link for watched in interfaces))
    own = [one for one in _of(neutron, wanted, known) if one.guest_id != guest_id] if wanted else []
    others = [one for one in known if one.guest_id != guest_id and one.host not in never]
    others.sort(key=lambda one: (one.host in last, one.host, one.title))
    chosen: dict[str, tuple[Watcher, str]] = {}
    for watched in interfaces:
        near = [one for one in (*own, *others) if one.place == watched.place]
        # Who is to watch one interface may do so from elsewhere, through routers.
        if found := _first_that_reaches(watched, own if wanted and len(interfaces) == 1 else near):
            chosen[watched.device] = found
        else:
            _tell_unwatched(watched, alone=len(interfaces) == 1)
    if wanted and interfaces and not any(watcher in own for watcher, _ in chosen.values()):
        whom = " or ".join(watched.words for watched in interfaces)
        raise InvalidInput(f"{wanted} cannot watch {whom}: it has no address of the same kind")
    return {device: Witness(agents, watcher, target, interval) for device, (watcher, target) in chosen.items()}


def _of(neutron: Neutron, wanted: str, known: Iterable[Watcher]) -> list[Watcher]:
    """Give those of a port, or of all of a guest's; and its links' ends. Raises NotFound, Ambiguous, InvalidInput."""
    ports = [found.port_id for found in neutron.find_guest(wanted)]
    meant = [one for one in known if one.port_id in ports]
    if not meant:
        raise InvalidInput(f"{words(ports[0])} cannot watch: it is plugged nowhere", hint="`fakevm list` shows who is.")
    guests = {one.guest_id for one in meant}
    return meant + [one for one in known if not one.port_id and one.guest_id in guests]


def _first_that_reaches(watched: Watched, watchers: Iterable[Watcher]) -> tuple[Watcher, str] | None:
    """Choose the first watcher that has an address of the same kind, and the address that it is to probe."""
    pairs = ((watcher, target) for watcher in watchers for target in watched.addresses)
    return next((pair for pair in pairs if _same_family(*pair)), None)


def _tell_unwatched(watched: Watched, *, alone: bool) -> None:
    where = "link" if watched.is_link else "network"
    which = "" if alone else f" of {watched.words}"
    LOG.warning("nobody watches the outage%s: no other guest of the %s has an address", which, where)


def _watchers(agents: Agents, *, links: bool) -> list[Watcher]:
    """List all from which something can be watched; the ends of ``links`` only if they are wanted."""
    hosts = agents.alive()
    found = [
        Watcher(vif.instance_id, vif.title, vif.host, vif.network_id, vif.addresses, vif.port_id)
        for answer in agents.ask_all(hosts, agents.list_vifs).values()
        if not isinstance(answer, FakevmError)
        for vif in answer
        if not vif.asleep and not vif.problem
    ]
    if links:
        answers = agents.ask_all(hosts, lambda host: agents.on(host).list_guests())
        guests = [guest for answer in answers.values() if not isinstance(answer, FakevmError) for guest in answer]
        found += [
            Watcher(guest.id, guest.title, guest.host, end.attached, end.addresses)
            for guest in guests
            for end in guest.interfaces
            if end.kind in ("link", "bridge") and not guest.asleep and not end.problem
        ]
    return found


def _same_family(watcher: Watcher, target: str) -> bool:
    version = ip_address(target).version
    # A link-local address reaches nobody but by naming a device.
    if ip_address(target).is_link_local:
        return False
    own = [ip_interface(address).ip for address in watcher.addresses]
    return any(address.version == version and not address.is_link_local for address in own)
