"""What became of migrations, as columns and tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cliff.columns import FormattableColumn

from fakevm.cli.output import Columns, Several, Table
from fakevm.control.migration.evacuation import Outcome
from fakevm.control.migration.moving import ports_on
from fakevm.control.migration.recovery import Recovery
from fakevm.model.migration import InterfaceReport, MigrationReport, Outage


class Seen(FormattableColumn[Any]):
    """What another guest saw of the outage."""

    def human_readable(self) -> str:
        """Say it in words."""
        return _outage(self._value)

    def machine_readable(self) -> dict[str, Any] | None:
        """Keep the figures."""
        return dict(self._value.model_dump(mode="json")) if self._value else None


class Interfaces(FormattableColumn[Any]):
    """The interfaces of a guest that moved, each with what another guest saw of its outage."""

    def human_readable(self) -> str:
        """Write a line for each."""
        interfaces: tuple[InterfaceReport, ...] = self._value
        return "\n".join(f"{one.name} ({_place(one)}): {_outage(one.outage)}" for one in interfaces)

    def machine_readable(self) -> list[dict[str, Any]]:
        """Keep the figures."""
        return [one.model_dump(mode="json", exclude={"samples", "probes"}) for one in self._value]


def _outage(seen: Outage | None) -> str:
    if seen is None:
        return "not measured"
    return (
        f"{seen.lost} of {seen.sent} probes lost (one every {seen.interval * 1000:g} ms), longest gap "
        f"{seen.longest_gap * 1000:.0f} ms, {seen.duplicated} duplicated, {seen.reordered} reordered, "
        f"as {seen.observer} saw it"
    )


def _place(interface: InterfaceReport) -> str:
    return interface.network if interface.kind == "port" else f"link {interface.attached}"


class Steps(FormattableColumn[Any]):
    """The steps, with when each began and how long it took."""

    def human_readable(self) -> str:
        """Write a line for each."""
        report, seconds = self._value
        width = max(map(len, seconds))
        lines = [f"{step.name:{width}} {step.seconds:8.3f}   at {step.start:.3f}" for step in report.steps]
        return "\n".join([*lines, f"{'total':{width}} {report.seconds:8.3f}"])

    def machine_readable(self) -> dict[str, float]:
        """Keep the lengths."""
        return dict(self._value[1])


def moved(report: MigrationReport, status: str, *, brief: bool = False) -> Columns:
    """Show one guest that was moved; of several interfaces those of 0.1 tell of the first.

    ``brief``: without the list of interfaces when it has only one, of which all is told already.
    """
    steps = {step.name: round(step.seconds, 3) for step in report.steps}
    first = report.first
    fields = {
        "name": report.title,
        "vif_id": first.attached if first and first.kind == "port" else "",
        "instance": report.instance_id,
        "source": report.source,
        "host": report.destination,
        "network": first.network if first else "",
        "mac_address": first.mac_address if first else "",
        "addresses": Several(list(first.addresses) if first else []),
        "status": status,
        "kind": report.kind,
        "outage": Seen(first.outage if first else None),
        "seconds": Steps((report, {**steps, "total": round(report.seconds, 3)})),
        "interfaces": Interfaces(report.interfaces),
    }
    if brief and len(report.interfaces) < 2:
        del fields["interfaces"]
    return tuple(fields), tuple(fields.values())


def recovered(recovery: Recovery) -> Columns:
    """Show what a recovery did."""
    fields = {
        "name": recovery.name,
        "vif_id": recovery.port_id,
        "instance": recovery.instance_id,
        "host": recovery.host,
        "status": recovery.status,
        "found": Several(list(recovery.found) or ["nothing wrong"]),
        "done": Several(list(recovery.done)),
        "left": Several(list(recovery.left)),
    }
    return tuple(fields), tuple(fields.values())


def evacuated(outcomes: Sequence[Outcome]) -> Table:
    """Show what became of each guest of a host."""
    columns = ("name", "vif_id", "instance", "host", "result", "lost", "longest_gap_ms", "seconds")
    return columns, [_evacuated(outcome) for outcome in outcomes]


def _evacuated(outcome: Outcome) -> tuple[Any, ...]:
    """Of several interfaces it is the outage of the one that was longest without an answer."""
    report = outcome.report
    gone = report is not None and report.result == "moved"
    outage = report.worst if report else None
    return (
        outcome.guest.title,
        next(iter(ports_on(outcome.guest)), ""),
        outcome.guest.id,
        outcome.destination if gone else outcome.guest.host,
        report.result if report else "not begun",
        outage.lost if outage else None,
        round(outage.longest_gap * 1000) if outage else None,
        round(report.seconds, 2) if report else None,
    )
