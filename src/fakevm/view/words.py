"""A migration in plain words."""

from __future__ import annotations

from collections.abc import Sequence

from fakevm.model.event import Event
from fakevm.model.migration import InterfaceReport, MigrationReport, Outage

from .scale import duration

MARKS = {"moved": "✓", "rolled back": "↩", "left half-way": "⚠"}


def heading(report: MigrationReport) -> str:
    """What was to move where."""
    return f"{report.kind.capitalize()} migration of {report.title}: {report.source} → {report.destination}"


def result(report: MigrationReport) -> str:
    """Where that left the guest."""
    if report.result == "moved":
        return f"The guest is on {report.destination} now."
    failed = next((step.name for step in report.steps if step.error), "")
    what = f"The step {failed} failed" if failed else "The migration failed"
    if report.result == "rolled back":
        return f"{what}; all was undone, and the guest is on {report.source} as before."
    return f"{what}, and not all could be undone. Go forward or back with: fakevm migrate --recover {thing(report)}"


def thing(report: MigrationReport) -> str:
    """By which id the guest is meant: its first port's, or its own."""
    ports = [one.attached for one in report.interfaces if one.kind == "port"]
    return (*ports, report.guest_id)[0]


def interface(one: InterfaceReport) -> str:
    """Name an interface, and what it is attached to."""
    return f"{one.name}, {f'in the network {one.network}' if one.kind == 'port' else f'link {one.attached}'}"


def of(report: MigrationReport, one: InterfaceReport) -> str:
    """Of which interface, where there are several."""
    return f" of {one.name}" if len(report.interfaces) > 1 else ""


def whose(report: MigrationReport, one: InterfaceReport) -> str:
    """Whose what follows is, where there are several."""
    return f"{one.name}: " if len(report.interfaces) > 1 else ""


def event(report: MigrationReport, came: Event) -> str:
    """Name an event, of which port where there are several, and how it went if it did not go well."""
    ports = [one for one in report.interfaces if one.attached == came.tag]
    return (
        came.name
        + "".join(of(report, one) for one in ports)
        + ("" if came.status == "completed" else f" ({came.status})")
    )


def outage(seen: Outage | None) -> str:
    """What another guest saw."""
    if seen is None:
        return "No other guest watched, so nothing is known of an outage."
    if not seen.sent:
        return f"The guest {seen.observer} was to watch, but sent no probe."
    sent = f"The guest {seen.observer} sent {count(seen.sent, 'probe')}, one every {seen.interval * 1000:g} ms"
    gap = duration(seen.longest_gap)
    if seen.lost == seen.sent:
        return f"{sent}; none was answered."
    if not seen.lost:
        words = f"{sent}; all were answered, and the longest time from one answer to the next was {gap}."
    else:
        share = f"{seen.lost / seen.sent:.1%}".replace("%", " %")
        words = f"{sent}; {seen.lost} of them ({share}) got no answer. The longest time without an answer was {gap}."
    return f"{words} {_oddities(seen)}"


def summary(reports: Sequence[MigrationReport]) -> str:
    """Several migrations in one sentence, and the worst outage in another."""
    counts = {kind: sum(report.result == kind for report in reports) for kind in MARKS}
    told = ", ".join(f"{number} {kind}" for kind, number in counts.items() if number)
    words = f"{count(len(reports), 'guest')}: {told}." if reports else "There was no guest to move."
    watched = [(seen.longest_gap, report) for report in reports if (seen := report.worst)]
    if not watched:
        return words
    gap, worst = max(watched, key=lambda pair: pair[0])
    return f"{words} The longest time without an answer was {duration(gap)}, of {worst.title}."


def _oddities(seen: Outage) -> str:
    told = []
    if seen.duplicated:
        told.append(f"{count(seen.duplicated, 'answer')} came twice")
    if seen.reordered:
        told.append(f"{count(seen.reordered, 'answer')} came after the answer to a later probe")
    return f"{', '.join(told).capitalize()}." if told else "No answer came twice or out of order."


def count(number: int, noun: str) -> str:
    """Count things in words."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
