"""Probers that began before a fault is made, and what they saw of it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator

from fakevm.errors import FakevmError
from fakevm.model.check import Observed
from fakevm.model.labfile.check import Check, OutageCheck
from fakevm.probe import outage

from .helper import Helper
from .place import Places

# Seconds after the fault in which it may show.
_SHOWING = 5.0
_PAUSE = 0.3


class Outages:
    """The outages that are measured just now."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._probers: dict[OutageCheck, Helper | FakevmError] = {}

    @contextlib.contextmanager
    def watched(self, checks: Iterable[Check]) -> Iterator[None]:
        """Probe for those of the checks that measure outages. What cannot be probed is told by ``attempt``."""
        with contextlib.ExitStack() as stack:
            for check in checks:
                if isinstance(check, OutageCheck):
                    try:
                        address = self._places.address(check.target, check.source, check.family)
                        command = self._places.command(check.source, outage.prober(address))
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
        begin = time.time()
        while prober.runs:
            time.sleep(_PAUSE)
            now, lines = time.time(), [line for line in prober.lines if line.startswith("[")]
            late = now > begin + check.at_most + _SHOWING
            if late or (now > begin + _SHOWING and outage.is_back(lines, now)):
                return outage.read(lines, now, check.at_most)
        raise FakevmError(f"the prober at {check.source} ended: {(prober.lines or ['it said nothing'])[-1]}")
