"""How long an address does not answer."""

from __future__ import annotations

from collections.abc import Iterable

from fakevm.model.check import Observed

from . import icmp, outcome

READY = '"answer"'
"""What the prober says when it was answered: only from then on an outage can be measured."""
_INTERVAL = 0.1
# Seconds; a prober that nobody ended ends by itself.
_LONGEST = 3600.0
# So many answers in a row: it is back.
_BACK = 10


def prober(address: str, interval: float = _INTERVAL) -> list[str]:
    """Build the argv of what probes all the time, every ``interval`` seconds."""
    return icmp.command(address, interval, _LONGEST)


def is_back(lines: Iterable[str], heard_until: float) -> bool:
    """Tell whether each of the last probes was answered, at the time ``heard_until`` (seconds since the epoch)."""
    probes = outcome.read(lines, began=0.0, heard_until=heard_until)
    return len(probes) > _BACK and all(probe.answers for probe in probes[-_BACK:])


def lost(lines: Iterable[str], heard_until: float) -> int:
    """Count the probes that were not answered until ``heard_until`` (seconds since the epoch)."""
    return sum(not probe.answers for probe in outcome.read(lines, began=0.0, heard_until=heard_until))


def read(lines: Iterable[str], heard_until: float, at_most: float | None, interval: float = _INTERVAL) -> Observed:
    """Judge an outage: passes when answers come again after ``at_most`` seconds, is blocked when they never do.

    Without ``at_most`` it may take any time. ``interval`` (seconds) is the prober's.
    """
    said = list(lines)
    probes = outcome.read(said, began=0.0, heard_until=heard_until)
    seen = outcome.outage(probes, observer="", interval=interval)
    # Answers are as far apart as probes are when nothing is lost.
    gap = seen.longest_gap if seen.lost else 0.0
    words = f"no answer for {gap:.{1 if interval >= _INTERVAL else 2}f} s, {seen.lost} of {seen.sent} lost"
    if not is_back(said, heard_until):
        return Observed(verdict="blocked", words=f"{words}; not back yet")
    return Observed(verdict="passes" if at_most is None or gap <= at_most else "unclear", words=words)
