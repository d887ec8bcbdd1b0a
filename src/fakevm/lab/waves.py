"""Hosts that come up a few at a time.

All that a host needs to come up is a processor. A hundred that start at once are late together, and so late that what
they ask of Neutron is answered too late; and nobody sees how far it is. So one begins as another is done.
"""

from __future__ import annotations

import http.client
import math
import os
import time
from collections.abc import Sequence
from typing import NamedTuple

from fakevm.errors import TimedOut
from fakevm.linux import supervision
from fakevm.model.lab import HostRecord, LabRecord
from fakevm.progress import Progress

from . import readiness

# Hosts under way for each processor: some of them wait for one another, for Neutron and its broker.
_FOR_EACH_PROCESSOR = 4
# Seconds; those who are asked have the same processors. An agent at its socket is asked in a fraction of a millisecond.
_PAUSE = 0.1
_PAUSE_AT_SOCKETS = 0.01
_PAUSE_FOR_EACH_HOST = 0.002
# How many times as long as Neutron's answer took is it left alone; a few agents cost it little, and are waited for.
_REST = 3
_MOST_REST_FOR_EACH_HOST = 0.1
# Names that people still read.
_MOST_NAMED = 6


class Host(NamedTuple):
    """A host that is to come up: how it is recorded, and its programs that wait for Neutron."""

    record: HostRecord
    held: tuple[str, ...]


def at_once() -> int:
    """Tell how many hosts are under way at once: so many may be started with the lab itself."""
    return max(8, _FOR_EACH_PROCESSOR * len(os.sched_getaffinity(0)))


def bring_up(record: LabRecord, hosts: Sequence[Host], timeout: float, progress: Progress) -> None:
    """Start hosts that do not run yet, and all their agents; wait until Neutron reports these alive.

    ``timeout`` is for each host, in seconds. Raises TimedOut, LabFailed.
    """
    coming = _Coming(record, hosts, timeout, progress)
    most = timeout * math.ceil(len(hosts) / at_once())
    pause = _PAUSE if record.neutron else _PAUSE_AT_SOCKETS
    readiness.wait(record, coming.look, "the agents", most, pause=pause + _PAUSE_FOR_EACH_HOST * len(hosts))


class _Coming:
    """Hosts that come up: some wait, some are under way, the others are there."""

    def __init__(self, record: LabRecord, hosts: Sequence[Host], timeout: float, progress: Progress) -> None:
        self._record = record
        self._waiting = list(reversed(hosts))
        self._number = len(hosts)
        self._timeout = timeout
        self._progress = progress
        # Of those that are under way: when they began. Their agents are started as soon as somebody supervises them.
        self._since: dict[Host, float] = {}
        self._unstarted: list[Host] = []
        self._expected = {(host.record.name, binary) for host in hosts for binary in host.record.agents}
        self._alive: set[tuple[str, str]] = set()
        self._problem = ""
        self._begun = time.monotonic()
        self._next_question = 0.0

    def look(self) -> str:
        """Start what can be started; say what is missing, "" when all is there."""
        self._ask()
        for host in [host for host in self._since if host not in self._unstarted and not self._missing(host)]:
            del self._since[host]
        while self._waiting and len(self._since) < at_once():
            self._since[self._waiting[-1]] = time.monotonic()
            self._unstarted.append(self._waiting.pop())
        self._unstarted = [host for host in self._unstarted if not self._start(host)]
        self._tell()
        self._refuse_late()
        return self._unseen() if self._since else ""

    def _start(self, host: Host) -> bool:
        """Start what can be started of a host; False: not all of it."""
        services, name = self._record.directory / "service", host.record.name
        if supervision.is_held(services, name):
            if not supervision.is_supervised(services, name):
                return False
            supervision.start(services, name)
        services = self._record.host_directory(name) / "service"
        if not all(supervision.is_supervised(services, program) for program in host.held):
            return False
        supervision.start(services, *host.held)
        return True

    def _ask(self) -> None:
        """Ask Neutron for its agents, unless it was asked just now."""
        begun = time.monotonic()
        if begun < self._next_question or len(self._since) == len(self._unstarted):
            return
        try:
            seen = readiness.agents(self._record, "host", "binary", "alive")
        except (OSError, http.client.HTTPException) as exc:
            self._problem = str(exc)
        else:
            self._problem = ""
            self._alive = {(str(agent["host"]), str(agent["binary"])) for agent in seen if agent["alive"]}
        now = time.monotonic()
        self._next_question = now + min(_REST * (now - begun), _MOST_REST_FOR_EACH_HOST * self._number)

    def _missing(self, host: Host) -> list[str]:
        return [binary for binary in host.record.agents if (host.record.name, binary) not in self._alive]

    def _tell(self) -> None:
        """Say how far it is; of many hosts also how long it will take if it goes on so."""
        if self._number <= at_once():
            self._progress.seen(f"{len(self._expected & self._alive)} of {len(self._expected)} alive")
            return
        there = self._number - len(self._waiting) - len(self._since)
        taken = time.monotonic() - self._begun
        left = f", some {taken / there * (self._number - there):.0f} s left" if there else ""
        self._progress.seen(f"{there} of {self._number} hosts are there{left}")

    def _refuse_late(self) -> None:
        """Raise TimedOut when a host has been under way for too long."""
        late = [host for host, since in self._since.items() if time.monotonic() - since > self._timeout]
        if late:
            raise TimedOut(f"the agents did not serve within {self._timeout:.0f} s; last seen: {self._unseen()}")

    def _unseen(self) -> str:
        if self._problem:
            return self._problem
        if unstarted := [host.record.name for host in self._unstarted]:
            return f"not supervised: {named(unstarted)}"
        missing = [f"{binary} on {host.record.name}" for host in self._since for binary in self._missing(host)]
        return f"not alive: {named(missing)}"


def named(names: Sequence[str]) -> str:
    """Name some of many."""
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more
