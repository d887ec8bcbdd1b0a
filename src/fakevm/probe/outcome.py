"""What a prober's lines say: which probes were answered, and how long nobody answered.

The prober writes a JSON line for each probe that it sent, ``["sent", number, time]``, and for each answer that came,
``["answer", number, time]``; times are seconds since the epoch. A lost probe is a result, not an error.
"""

from __future__ import annotations

import itertools
import json
import math
import statistics
from collections.abc import Iterable, Sequence

from fakevm.errors import FakevmError
from fakevm.model.migration import Outage, Probe

PATIENCE = 0.5
"""Seconds that the prober waits for answers after its last probe."""


def read(lines: Iterable[str], *, began: float, heard_until: float | None = None) -> tuple[Probe, ...]:
    """Read the prober's lines; the probes' times are seconds since ``began`` (seconds since the epoch).

    ``heard_until`` (seconds since the epoch) is when the prober stopped to listen if it was cut short. Probes whose
    answers it did not wait for, at least PATIENCE, say nothing and are left out. Without it every probe had its time.
    Raises FakevmError when a line is not the prober's.
    """
    sent: dict[int, float] = {}
    answers: dict[int, list[float]] = {}
    for line in lines:
        if line.strip():
            kind, number, at = _parse(line)
            if kind == "answer":
                answers.setdefault(number, []).append(at)
            elif number in sent:
                raise _nonsense(line, "this probe was sent before")
            else:
                sent[number] = at
    for number in answers.keys() - sent.keys():
        raise _nonsense(f'["answer", {number}, …]', "this probe was never sent")
    last = float("inf") if heard_until is None else heard_until - PATIENCE
    return tuple(
        Probe(number=number, sent=at - began, answers=tuple(sorted(came - began for came in answers.get(number, ()))))
        for number, at in sorted(sent.items(), key=lambda item: (item[1], item[0]))
        if number in answers or at <= last
    )


def last_answer(lines: Sequence[str]) -> float:
    """Find when the last answer was noted (seconds since the epoch); 0 when there was none.

    Raises FakevmError when a line is not the prober's.
    """
    answers = (at for kind, _number, at in map(_parse, filter(str.strip, reversed(lines))) if kind == "answer")
    return next(answers, 0.0)


def outage(probes: Sequence[Probe], *, observer: str, interval: float) -> Outage:
    """Sum up what the probes of ``observer``, sent every ``interval`` seconds, say."""
    answered = [probe for probe in probes if probe.answers]
    gap = longest_gap(probes)
    return Outage(
        observer=observer,
        interval=interval,
        sent=len(probes),
        lost=len(probes) - len(answered),
        duplicated=sum(len(probe.answers) - 1 for probe in answered),
        reordered=len(reordered(probes)),
        longest_gap=gap[1] - gap[0] if gap else 0.0,
        median_rtt=statistics.median(probe.answers[0] - probe.sent for probe in answered) if answered else None,
    )


def longest_gap(probes: Sequence[Probe]) -> tuple[float, float] | None:
    """Find the longest time without a first answer: its start and end, on the probes' clock.

    Silence at the edges counts when probes were lost in it: from the first probe sent, and until the last one. None
    when there is no gap at all, as with less than two probes.
    """
    came = sorted(probe.answers[0] for probe in probes if probe.answers)
    lost = [probe.sent for probe in probes if not probe.answers]
    edges = [*came]
    if lost and (not came or min(lost) < came[0]):
        edges.insert(0, min(probe.sent for probe in probes))
    if lost and max(lost) > edges[-1]:
        edges.append(max(lost))
    return max(itertools.pairwise(edges), key=lambda gap: gap[1] - gap[0], default=None)


def reordered(probes: Iterable[Probe]) -> frozenset[int]:
    """Find the numbers of the probes whose first answer came after the answer to a later probe."""
    late, latest = set(), -1
    for _, number in sorted((probe.answers[0], probe.number) for probe in probes if probe.answers):
        if number < latest:
            late.add(number)
        latest = max(latest, number)
    return frozenset(late)


def _parse(line: str) -> tuple[str, int, float]:
    try:
        kind, number, at = json.loads(line)
    except (ValueError, TypeError) as exc:
        raise _nonsense(line, "it is not a JSON list of three") from exc
    if (
        kind not in ("sent", "answer")
        or type(number) is not int
        or type(at) not in (int, float)
        or not math.isfinite(at)
    ):
        raise _nonsense(line, 'it is not "sent" or "answer", a number and a time')
    return kind, number, float(at)


def _nonsense(line: str, why: str) -> FakevmError:
    return FakevmError(
        f"the prober wrote a line that makes no sense: {line.strip()[:120]} ({why})",
        hint="Prober and command may be of different versions; see the agent's log on the observer's host.",
    )
