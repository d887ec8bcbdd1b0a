"""TCP throughput, by iperf3."""

from __future__ import annotations

import json

from fakevm.errors import CommandFailed
from fakevm.model.check import Observed

from .base import PATIENCE, Probe, Run

PORT = 5201
# Seconds at the beginning that do not count: TCP starts slowly, and a limit has a burst.
_OMITTED = 1
_NO_CONNECTION = ("timed out", "unreachable", "No route to host")


def server() -> list[str]:
    """Build the argv of what listens at the target, for one measurement."""
    return ["iperf3", "--server", "--one-off", "--port", str(PORT), "--forceflush"]


READY = "Server listening"
"""What the server says when it can be measured."""


class BandwidthProbe(Probe):
    """Sends for ``seconds``; passes when what arrives is ``rate`` (kbit/s), within ``tolerance`` percent."""

    def __init__(self, address: str, rate: float, tolerance: float, seconds: float) -> None:
        self._address = address
        self._rate = rate
        self._tolerance = tolerance
        self._seconds = max(1, round(seconds))
        self.longest = self._seconds + _OMITTED + 3 * PATIENCE

    def command(self) -> list[str]:
        """See Probe."""
        pace = ["--time", str(self._seconds), "--omit", str(_OMITTED)]
        connect = ["--port", str(PORT), "--connect-timeout", f"{PATIENCE * 1000:.0f}"]
        return ["env", "LC_ALL=C", "iperf3", "--client", self._address, "--json", *connect, *pace]

    def read(self, run: Run) -> Observed:
        """See Probe."""
        try:
            report = json.loads(run.output)
        except ValueError as exc:
            raise CommandFailed(f"iperf3 ended with status {run.status}: {run.last_words}") from exc
        if problem := report.get("error"):
            if any(words in problem for words in _NO_CONNECTION):
                return Observed(verdict="blocked", words="no connection")
            raise CommandFailed(f"iperf3: {problem}")
        rate = report["end"]["sum_received"]["bits_per_second"] / 1000
        off = (rate / self._rate - 1) * 100
        words = f"{rate / 1000:.2f} Mbit/s, {off:+.1f} % of {self._rate / 1000:g} Mbit/s"
        return Observed(verdict="passes" if abs(off) <= self._tolerance else "unclear", words=words)
