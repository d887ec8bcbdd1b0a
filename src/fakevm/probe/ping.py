"""ICMP echo, by the system's own ping."""

from __future__ import annotations

import re

from fakevm.errors import CommandFailed
from fakevm.model.check import Observed

from .base import PATIENCE, Probe, Run

_INTERVAL = 0.2
# iputils', and busybox's, which repeats the word.
_SUMMARY = re.compile(r"(\d+) packets transmitted, (\d+)(?: packets)? received")
_MEDIAN = re.compile(r"min/avg/max(?:/mdev)? = [\d.]+/([\d.]+)/")
_UNREACHABLE = ("Network is unreachable", "No route to host", "Cannot assign requested address")


class PingProbe(Probe):
    """Sends ``count`` requests to an address; passes when all are answered, is blocked when none is."""

    def __init__(self, address: str, count: int) -> None:
        self._address = address
        self._count = count
        self.longest = count * _INTERVAL + 2 * PATIENCE

    def command(self) -> list[str]:
        """See Probe."""
        return ping(self._address, self._count)

    def read(self, run: Run) -> Observed:
        """See Probe."""
        sent, answered = counted(run)
        if not sent:
            return Observed(verdict="blocked", words="unreachable")
        time = _MEDIAN.search(run.output)
        words = f"{answered} of {sent} answered" + (f", {float(time[1]):.1f} ms" if time else "")
        return Observed(
            verdict="passes" if answered == sent else "unclear" if answered else "blocked",
            words=words,
        )


def ping(address: str, count: int, *options: str) -> list[str]:
    """Build the argv of a ping."""
    pace = ["-n", "-q", "-c", str(count), "-i", str(_INTERVAL), "-W", f"{PATIENCE:g}"]
    return ["env", "LC_ALL=C", "ping", *pace, *options, address]


def counted(run: Run) -> tuple[int, int]:
    """Read how many requests were sent, and answered; none is sent where there is no way. Raises CommandFailed."""
    if summary := _SUMMARY.search(run.output):
        return int(summary[1]), int(summary[2])
    if any(words in run.errors for words in _UNREACHABLE):
        return 0, 0
    raise CommandFailed(f"ping ended with status {run.status}: {run.last_words}")
