"""A look, again and again, at what a job works on and waits for: is it still there?

So no wait of a job need care whether its port is deleted, its guest unplugged or its host's agent dead: the job ends.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from fakevm.control.known import words
from fakevm.control.neutron import Neutron
from fakevm.errors import AgentDown, Busy, Conflict, FakevmError, Gone, NotFound, PlugFailed, Unreachable
from fakevm.model.port import Vif

# Seconds between two looks; each is a query for all ports, and a call to each host.
PAUSE = 1.5
# How long (seconds) Neutron may be away: it may just be started anew.
AWAY = 8.0
# How long (seconds) it may take the question and give no answer: a hundred hosts keep it busy.
BUSY = 90.0
# How long (seconds) a port may be in Neutron when delete-port has unplugged it: other agents are asked meanwhile.
DELETING = 8.0


class Shower(Protocol):
    """What a lookout asks of agents (see fakevm.control.agents)."""

    def show(self, host: str, port_id: str) -> Vif | None:
        """Look at one VIF on a host; None when it is not there."""


class Lookout:
    """The ports that must be in Neutron, and the hosts on which they must be plugged; many threads may say which."""

    def __init__(self, neutron: Neutron, agents: Shower) -> None:
        self._neutron = neutron
        self._agents = agents
        self._ports: set[str] = set()
        self._plugged: set[tuple[str, str]] = set()
        self._away_since: float | None = None
        self._turns = itertools.count()
        self._lock = threading.Lock()

    def exists(self, port_id: str) -> None:
        """From now on the port must be in Neutron."""
        with self._lock:
            self._ports.add(port_id)

    def plugged(self, port_id: str, host: str) -> None:
        """From now on the port must be plugged on the host, too."""
        with self._lock:
            self._plugged.add((host, port_id))

    def leaves(self, port_id: str, host: str) -> None:
        """Allow the port to leave the host: it is about to be unplugged."""
        with self._lock:
            self._plugged.discard((host, port_id))

    def watch(self, ended: threading.Event) -> FakevmError | None:
        """Look until something is gone, which is told, or until the job has ``ended``."""
        while not ended.wait(PAUSE):
            if problem := self.deleted() or self._unplugged(ended):
                return problem
        return None

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Raise what fails of a port's deletion as that, whatever Neutron or an agent made of it: Gone.

        What fails since its guest was unplugged is told as that: Conflict.
        """
        try:
            yield
        except FakevmError as problem:
            if cause := self._cause(problem):
                raise cause from problem
            raise

    def _cause(self, problem: FakevmError) -> FakevmError | None:
        if isinstance(problem, Gone):
            return None
        if isinstance(gone := self.deleted(), Gone):
            return gone
        if isinstance(problem, NotFound | PlugFailed):
            for host, ports in self._by_host().items():
                for port_id in ports:
                    if self._is_missing(host, port_id):
                        return self._unplugged_or_deleted(host, port_id)
        return None

    def _is_missing(self, host: str, port_id: str) -> bool:
        try:
            return self._agents.show(host, port_id) is None
        except FakevmError:
            return False

    def _unplugged_or_deleted(self, host: str, port_id: str, ended: threading.Event | None = None) -> FakevmError:
        """Tell which it was: who deletes a port unplugs it first. Looks until the job has ``ended``, or for a while."""
        over, deadline = ended or threading.Event(), time.monotonic() + DELETING
        while not isinstance(found := self.deleted(), Gone):
            if over.wait(DELETING / 10) or time.monotonic() > deadline:
                return Conflict(f"{words(port_id)} was unplugged from {host} meanwhile")
        return found

    def deleted(self) -> FakevmError | None:
        """Look whether a port is not in Neutron any more, or nobody answers there."""
        with self._lock:
            ids = sorted(self._ports)
        try:
            found = {port["id"] for port in self._neutron.ports(ids, fields=("id",))}
        except Unreachable as problem:
            now = time.monotonic()
            self._away_since = self._away_since or now
            return problem if now - self._away_since > (BUSY if isinstance(problem, Busy) else AWAY) else None
        except FakevmError:
            return None
        self._away_since = None
        missing = [port_id for port_id in ids if port_id not in found]
        return Gone(f"{words(missing[0])} was deleted meanwhile") if missing else None

    def _unplugged(self, ended: threading.Event) -> FakevmError | None:
        """Look at one port of each host, at another each time: unplugged is what was missed twice.

        An agent that makes a guest anew forgets it for a moment.
        """
        turn = next(self._turns)
        for host, ports in self._by_host().items():
            port_id = ports[turn % len(ports)]
            for _ in range(2):
                try:
                    if self._agents.show(host, port_id):
                        break
                except AgentDown as problem:
                    return problem if self._expects(host) else None
                except FakevmError:
                    break
                time.sleep(PAUSE)
            else:
                if (host, port_id) in self._plugged:
                    return self._unplugged_or_deleted(host, port_id, ended)
        return None

    def _by_host(self) -> dict[str, list[str]]:
        with self._lock:
            pairs = sorted(self._plugged)
        return {host: [port for _, port in group] for host, group in itertools.groupby(pairs, lambda pair: pair[0])}

    def _expects(self, host: str) -> bool:
        with self._lock:
            return any(where == host for where, _ in self._plugged)
