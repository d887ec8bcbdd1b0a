"""The neighbours of a router by OSPF, as its own daemon knows them."""

from __future__ import annotations

import json
import re
from typing import Any

from fakevm.errors import CommandFailed
from fakevm.model.check import Observed

from .base import Probe, Run

_BIRD_LINE = re.compile(r"^(\d+\.\d+\.\d+\.\d+)\s+\d+\s+(\S+)\s", re.MULTILINE)


class NeighboursProbe(Probe):
    """Counts neighbours that are as they should be; passes when ``wanted`` are, is blocked when none is.

    :param ask: the argv that asks the daemon for them
    """

    good = ""

    def __init__(self, ask: list[str], wanted: int) -> None:
        self._ask = ask
        self._wanted = wanted

    def command(self) -> list[str]:
        """See Probe."""
        return self._ask

    def read(self, run: Run) -> Observed:
        """See Probe."""
        if run.status:
            raise CommandFailed(f"the daemon does not answer: {run.last_words}")
        states = self.states(run.output)
        there = sum(state == self.good for _, state in states)
        others = ", ".join(f"{who} is {state}" for who, state in states if state != self.good)
        words = f"{there} of {self._wanted} {self.good}" + (f"; {others}" if others else "")
        return Observed(verdict="passes" if there == self._wanted else "unclear" if there else "blocked", words=words)

    def states(self, output: str) -> list[tuple[str, str]]:
        """Read who is a neighbour, and how that stands. Raises CommandFailed."""
        raise NotImplementedError


class OspfProbe(NeighboursProbe):
    """OSPF: FULL."""

    good = "Full"

    def states(self, output: str) -> list[tuple[str, str]]:
        """See NeighboursProbe."""
        if not output.lstrip().startswith("{"):
            return [(router, state.partition("/")[0]) for router, state in _BIRD_LINE.findall(output)]
        told = json_of(output).get("neighbors", {})
        # Newer ones call it nbrState, those before it state.
        return [
            (router, str(one.get("nbrState", one.get("state", "?"))).partition("/")[0])
            for router, found in told.items()
            for one in found
        ]


def json_of(output: str) -> dict[str, dict[str, Any]]:
    """Read what a daemon says in JSON. Raises CommandFailed."""
    try:
        found: dict[str, dict[str, Any]] = json.loads(output)
        return found
    except ValueError as exc:
        raise CommandFailed(f"the daemon's answer cannot be read: {output.strip()[:200]}") from exc
