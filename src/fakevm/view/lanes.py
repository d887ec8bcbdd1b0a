"""What a picture of a migration shows, as numbers: which time, which spans, which marks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fakevm.model.migration import InterfaceReport, MigrationReport, PortSample, Probe, Step
from fakevm.probe import outcome

from .scale import Scale, Window

SWITCH = ("pause-source", "freeze", "resume-destination")
"""The steps of a live migration in which no guest runs."""


@dataclass(frozen=True)
class Span:
    """A time in which something had one status."""

    start: float
    end: float
    status: str


@dataclass(frozen=True)
class Label:
    """Words at a mark: ``row`` counts from 0, so that they do not run over each other."""

    at: float
    words: str
    row: int


def whole(report: MigrationReport) -> Window:
    """The time of all that the report holds."""
    moments = [
        0.0,
        report.seconds,
        *(step.start + step.seconds for step in report.steps),
        *(sample.at for one in report.interfaces for sample in one.samples),
        *(moment for one in report.interfaces for probe in one.probes for moment in (probe.sent, *probe.answers)),
        *(event.at - report.began for event in report.events),
    ]
    start, end = min(moments), max(moments)
    return Window(start, max(end, start + 0.001))


def gap(interface: InterfaceReport) -> Window | None:
    """The longest time without an answer; None when it is no more than the pause from one probe to the next."""
    found = outcome.longest_gap(interface.probes)
    usual = 2 * interface.outage.interval if interface.outage else 0
    return Window(*found) if found and found[1] - found[0] > usual else None


def worst(report: MigrationReport) -> tuple[InterfaceReport, Window] | None:
    """The interface that was longest without an answer, and when; None when each answered all the time."""
    found = [(one, window) for one in report.interfaces if (window := gap(one))]
    return max(found, key=lambda pair: pair[1].seconds, default=None)


def close_up(report: MigrationReport) -> Window | None:
    """The time around the switch and the longest gaps; None when there is none, or when it is most of the time."""
    everything = whole(report)
    steps = [step for step in report.steps if step.name in SWITCH]
    silence = [(found.start, found.end) for one in report.interfaces if (found := gap(one))]
    switch = [(step.start, step.start + step.seconds) for step in steps]
    for interesting in (silence + switch, silence, switch):
        if not interesting:
            continue
        start, end = min(first for first, _ in interesting), max(last for _, last in interesting)
        margin = max((end - start) * 0.35, 0.02)
        shown = everything.clip(start - margin, end + margin)
        if shown and 0 < shown.seconds < everything.seconds * 0.6:
            return shown
    return None


def hosts(report: MigrationReport, interface: InterfaceReport) -> list[str]:
    """The hosts with bindings of a port: source, destination, then any other."""
    seen = {host for sample in interface.samples for host in sample.bindings}
    return [report.source, report.destination, *sorted(seen - {report.source, report.destination})]


def port_spans(interface: InterfaceReport, end: float) -> list[Span]:
    """The port's status over time, until the ``end``."""
    return _spans(interface, end, lambda sample: sample.status)


def binding_spans(interface: InterfaceReport, end: float, host: str) -> list[Span]:
    """The status of a host's binding over time; nothing while there is none."""
    return _spans(interface, end, lambda sample: sample.bindings.get(host, ""))


def profile_spans(interface: InterfaceReport, end: float) -> list[Span]:
    """What ``migrating_to`` said over time; nothing while it is not set."""
    return _spans(interface, end, lambda sample: sample.migrating_to)


def _spans(interface: InterfaceReport, end: float, status_of: Callable[[PortSample], str]) -> list[Span]:
    """A sample holds until the next one."""
    samples = sorted(interface.samples, key=lambda sample: sample.at)
    spans: list[Span] = []
    for sample, until in zip(samples, [*(after.at for after in samples[1:]), end], strict=True):
        status = status_of(sample)
        if spans and spans[-1].status == status:
            spans[-1] = Span(spans[-1].start, until, status)
        else:
            spans.append(Span(sample.at, until, status))
    return [span for span in spans if span.status]


def steps_in(report: MigrationReport, window: Window) -> list[Step]:
    """The steps of which something is in the window, in the order in which they began."""
    steps = sorted(report.steps, key=lambda step: step.start)
    return [step for step in steps if window.clip(step.start, step.start + step.seconds)]


def place_labels(marks: Sequence[tuple[float, str]], scale: Scale, *, letter: float, rows: int = 8) -> list[Label]:
    """Put each mark's words to the right of it in the first row with room, a ``letter`` being so many units wide.

    What finds no room in any row goes into the last one.
    """
    free = [float("-inf")] * rows
    labels = []
    for at, words in sorted(marks):
        x = scale.x(at)
        row = next((row for row, end in enumerate(free) if end <= x), rows - 1)
        free[row] = x + len(words) * letter + 2 * letter
        labels.append(Label(at, words, row))
    return labels


def thin_out(probes: Sequence[Probe], scale: Scale, *, unit: float = 0.5) -> list[Probe]:
    """Keep of the probes that would be drawn on top of each other the slowest, so that pictures stay small."""
    kept: dict[int, Probe] = {}
    for probe in probes:
        column = round(scale.x(probe.sent) / unit)
        if column not in kept or _rtt(probe) > _rtt(kept[column]):
            kept[column] = probe
    return list(kept.values())


def losses(probes: Sequence[Probe]) -> list[list[Probe]]:
    """Collect the lost probes, those without an answered one between them together, in the order of sending."""
    runs: list[list[Probe]] = []
    before: Probe | None = None
    for probe in probes:
        if not probe.answers and before is not None and not before.answers:
            runs[-1].append(probe)
        elif not probe.answers:
            runs.append([probe])
        before = probe
    return runs


def _rtt(probe: Probe) -> float:
    return probe.answers[0] - probe.sent if probe.answers else float("inf")
