"""Which hosts a packet crosses.

A watcher in the lab sees all links of all hosts at once. A host is crossed when it sends the packet on; one that merely
gets a flooded copy is not. Besides, the host where the packet begins is crossed, and the one where it arrives.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from fakevm.model.check import Observed

from . import icmp, outcome
from .base import Probe, Run, program

READY = "watching"
_INTERVAL = 0.2
# The first packets are sent everywhere, until the switches have learnt where the target is.
_COUNT = 5


class Sighting(NamedTuple):
    """Our packet on a device: which way (``in``: the host at its other end sent it), what, and its number."""

    device: str
    direction: str
    kind: str
    number: int


class PathProbe(Probe):
    """Sends marked ICMP echoes to an address.

    :param ends: the hosts of source and target, as far as they are hosts of the lab
    :param links: whose link a device of the lab is
    :param hosts: those that the packet is to cross, all and no other (empty: any); ``avoids``: none of these
    """

    longest = _COUNT * _INTERVAL + icmp.LATE + 5

    def __init__(
        self,
        address: str,
        *,
        ends: frozenset[str],
        links: Mapping[str, str],
        hosts: frozenset[str],
        avoids: frozenset[str],
    ) -> None:
        self._address = address
        self._mark = os.urandom(8)
        self._ends = ends
        self._links = links
        self._hosts = hosts
        self._avoids = avoids
        self.sightings: list[Sighting] = []
        """What the watcher saw; to be filled in before ``read``."""

    def watcher(self) -> list[str]:
        """Build the argv of what watches in the lab meanwhile."""
        return program("watcher", self._mark.hex())

    def command(self) -> list[str]:
        """See Probe."""
        return icmp.command(self._address, _INTERVAL, (_COUNT - 0.5) * _INTERVAL, self._mark)

    def way(self, run: Run) -> tuple[frozenset[str], frozenset[str]] | None:
        """Give the hosts that the last answered packet crossed, and its answer; None when none was answered."""
        probes = outcome.read(run.output.splitlines(), began=0.0)
        answered = [probe.number for probe in probes if probe.answers]
        if not answered:
            return None
        there = crossed(self.sightings, answered[-1], self._links, "request") | self._ends
        return there, crossed(self.sightings, answered[-1], self._links, "answer") | self._ends

    def read(self, run: Run) -> Observed:
        """See Probe."""
        seen = self.way(run)
        if seen is None:
            sent = len(outcome.read(run.output.splitlines(), began=0.0))
            return Observed(verdict="blocked", words=f"none of {sent} answered")
        there, back = seen
        words = ", ".join(sorted(there)) + ("" if back == there else f"; back: {', '.join(sorted(back))}")
        right = (not self._hosts or there == self._hosts) and not there & self._avoids
        return Observed(verdict="passes" if right else "unclear", words=words)


def crossed(sightings: Iterable[Sighting], number: int, links: Mapping[str, str], kind: str) -> frozenset[str]:
    """Find the hosts that sent a packet on, by the devices at the other ends of their links."""
    return frozenset(
        links[seen.device]
        for seen in sightings
        if seen.number == number and seen.kind == kind and seen.direction == "in" and seen.device in links
    )
