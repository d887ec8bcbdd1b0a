"""Probers that began before a fault is made, and what they saw of it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator

from fakevm.errors import FakevmError
from fakevm.lab.place import Places
from fakevm.model.check import Observed
from fakevm.model.labfile.check import Check, OutageCheck
from fakevm.probe import outage

from . import way
from .helper import Helper

# Seconds after the fault in which it may show.
_SHOWING = 5.0
# How long an answer is waited for where there is no bound.
_LONGEST = 30.0
_PAUSE = 0.3


class Outages:
    """The outages that are measured just now."""

    def __init__(self, places: Places, run: way.Runner) -> None:
        self._places = places
        self._run = run
        self._probers: dict[OutageCheck, Helper | FakevmError] = {}
        # The hosts that were in the packets' way before the fault, both ways.
        self._ways: dict[OutageCheck, frozenset[str]] = {}

    @contextlib.contextmanager
    def watched(self, checks: Iterable[Check]) -> Iterator[None]:
        """Probe for those of the checks that measure outages. What cannot be probed is told by ``attempt``."""
        with contextlib.ExitStack() as stack:
            for check in checks:
                if isinstance(check, OutageCheck):
                    try:
                        address = self._places.address(check.target, check.source, check.family)
                        command = self._places.command(check.source, outage.prober(address))
                        self._ways[check] = self._way(check)
                        self._probers[check] = stack.enter_context(Helper(command, outage.READY))
                    except FakevmError as problem:
                        self._probers[check] = problem
            yield

    def attempt(self, check: OutageCheck) -> Observed:
        """Wait until the target answers again, but not much longer than it may take; then judge.

        Raises FakevmError when it did not answer before, or when it cannot be probed any more.
        """
        prober = self._probers[check]
        if isinstance(prober, FakevmError):
            raise prober
        lines, now = until_back(prober, check.at_most, _SHOWING)
        seen = outage.read(lines, now, check.at_most)
        return seen.model_copy(update={"words": seen.words + self._untouched(check, lines, now)})

    def _way(self, check: OutageCheck) -> frozenset[str]:
        """Find the hosts in the packets' way; none when that cannot be seen."""
        with contextlib.suppress(FakevmError):
            probe, run = way.watched(self._places, check, self._run)
            return frozenset().union(*(probe.way(run) or ()))
        return frozenset()

    def _untouched(self, check: OutageCheck, lines: list[str], now: float) -> str:
        """Say so when the fault was beside the packets' way: then that nothing is lost says nothing."""
        hosts = self._ways.get(check, frozenset())
        host = check.during.target.partition("/")[0] if check.during else ""
        # A program of the lab itself is of no host: it is not to be in the way.
        if not hosts or host in hosts or host not in self._places.links().values() or outage.lost(lines, now):
            return ""
        return f"; {check.during} touched nothing in their way: {', '.join(sorted(hosts))}"


def until_back(prober: Helper, at_most: float | None, at_least: float = 0.0) -> tuple[list[str], float]:
    """Wait until a prober is answered again, ``at_least`` so many seconds, but not much longer than it may take.

    Gives what it said until which time (seconds since the epoch). Raises FakevmError when it has ended.
    """
    begin = time.time()
    limit = (_LONGEST if at_most is None else at_most) + _SHOWING
    while prober.runs:
        time.sleep(_PAUSE)
        now, lines = time.time(), [line for line in prober.lines if line.startswith("[")]
        if now > begin + limit or (now >= begin + at_least and outage.is_back(lines, now)):
            return lines, now
    raise FakevmError(f"the prober ended: {(prober.lines or ['it said nothing'])[-1]}")
