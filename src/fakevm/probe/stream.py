"""Loss and delay of one direction, seen by who receives: numbered datagrams, of which the target tells what came."""

from __future__ import annotations

import json
import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

from fakevm.errors import CommandFailed
from fakevm.model.check import Observed
from fakevm.model.impairment import LONGEST_DELAY

from .base import PATIENCE, Probe, Run, facts, program

READY = "taking"
"""What the target says when it can be sent to, with its port."""
# A binomial's count is further from its mean than four standard deviations in 1 of 16,000 cases.
_DEVIATIONS = 4
# Delays are met within the greater of both: of what was set, and seconds.
_PART, _LEAST = 0.02, 0.001


def receiver(address: str, count: int) -> list[str]:
    """Build the argv of what takes so many datagrams, at the target."""
    return program("stream", "take", address, count, LONGEST_DELAY + PATIENCE)


def port_of(lines: Sequence[str]) -> int:
    """Read which port the receiver has chosen."""
    return int(next(line for line in lines if line.startswith(READY)).split()[1])


class Stream(NamedTuple):
    """What is sent: ``datagrams`` to a port of an address, one each ``interval`` seconds."""

    address: str
    port: int
    datagrams: int
    interval: float


class StreamProbe(Probe):
    """Sends a stream. ``told`` is what the receiver said at its end."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self.longest = 2 * stream.datagrams * stream.interval + PATIENCE
        self.told: list[str] = []

    def command(self) -> list[str]:
        """See Probe."""
        return program("stream", "send", *self._stream)

    def read(self, run: Run) -> Observed:
        """See Probe."""
        sent = facts(run)
        if sent.get("error"):
            return Observed(verdict="blocked", words=sent["error"])
        try:
            taken = json.loads(self.told[-1])
        except (ValueError, IndexError) as exc:
            raise CommandFailed(f"the receiver ended without a count: {(self.told or ['no word'])[-1]}") from exc
        if not taken["taken"]:
            return Observed(verdict="blocked", words=f"none of {sent['sent']} arrived")
        return self.judge(int(sent["sent"]), taken)

    @abstractmethod
    def judge(self, sent: int, taken: dict[str, Any]) -> Observed:
        """Compare what arrived of what was sent with what should."""


class LossProbe(StreamProbe):
    """Passes when as many are lost as so many percent may lose, within four standard deviations of the binomial."""

    def __init__(self, stream: Stream, loss: float) -> None:
        super().__init__(stream)
        self._chance = loss / 100

    def judge(self, sent: int, taken: dict[str, Any]) -> Observed:
        """See StreamProbe."""
        lost, mean = sent - taken["taken"], sent * self._chance
        most = _DEVIATIONS * math.sqrt(mean * (1 - self._chance))
        words = f"{lost} of {sent} lost, {lost / sent:.2%}; {self._chance:.2%} are {mean:.0f} ± {most:.0f}"
        return Observed(verdict="passes" if abs(lost - mean) <= most else "unclear", words=words)


class DelayProbe(StreamProbe):
    """Passes when half of the datagrams take no longer than ``delay`` (seconds), within ``tolerance`` seconds.

    None is a millisecond, or 2 % of the delay where that is more.
    """

    def __init__(self, stream: Stream, delay: float, tolerance: float | None) -> None:
        super().__init__(stream)
        self._delay = delay
        self._tolerance = max(_LEAST, _PART * delay) if tolerance is None else tolerance

    def judge(self, sent: int, taken: dict[str, Any]) -> Observed:
        """See StreamProbe."""
        median, deviation = taken["median"], taken["deviation"]
        words = (
            f"{median * 1000:.2f} ms, of {self._delay * 1000:g} ± {self._tolerance * 1000:g} ms; from"
            f" {taken['least'] * 1000:.2f} to {taken['most'] * 1000:.2f}, deviation {deviation * 1000:.2f} ms"
        )
        met = abs(median - self._delay) <= self._tolerance
        return Observed(verdict="passes" if met else "unclear", words=words)


class MarkProbe(StreamProbe):
    """Passes when all that comes is marked with this (DSCP)."""

    def __init__(self, stream: Stream, mark: int) -> None:
        super().__init__(stream)
        self._mark = mark

    def judge(self, sent: int, taken: dict[str, Any]) -> Observed:
        """See StreamProbe."""
        words = f"marked with {', '.join(map(str, taken['marks'])) or 'nothing'}"
        return Observed(verdict="passes" if taken["marks"] == [self._mark] else "unclear", words=words)


class RateProbe(StreamProbe):
    """Passes when so many datagrams come in a second, within ``tolerance`` percent."""

    def __init__(self, stream: Stream, rate: float, tolerance: float) -> None:
        super().__init__(stream)
        self._rate = rate
        self._tolerance = tolerance

    def judge(self, sent: int, taken: dict[str, Any]) -> Observed:
        """See StreamProbe."""
        off = (taken["rate"] / self._rate - 1) * 100
        words = f"{taken['rate']:.0f} packets/s, {off:+.1f} % of {self._rate:g}"
        return Observed(verdict="passes" if abs(off) <= self._tolerance else "unclear", words=words)
