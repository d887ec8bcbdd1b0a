"""What became of migrations, as columns and tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cliff.columns import FormattableColumn

from fakevm.cli.output import Columns, Several, Table
from fakevm.control.migration.evacuation import Outcome
from fakevm.control.migration.recovery import Recovery
from fakevm.model.migration import MigrationReport, Outage


class Seen(FormattableColumn[Any]):
    """What another guest saw of the outage."""

    def human_readable(self) -> str:
        """Say it in words."""
        if self._value is None:
            return "not measured"
        seen: Outage = self._value
        return (
            f"{seen.lost} of {seen.sent} probes lost (one every {seen.interval * 1000:g} ms), longest gap "
            f"{seen.longest_gap * 1000:.0f} ms, {seen.duplicated} duplicated, {seen.reordered} reordered, "
            f"as {seen.observer} saw it"
        )

    def machine_readable(self) -> dict[str, Any] | None:
        """Keep the figures."""
        return dict(self._value.model_dump(mode="json")) if self._value else None


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


def moved(report: MigrationReport, status: str) -> Columns:
    """Show one port that was moved."""
    steps = {step.name: round(step.seconds, 3) for step in report.steps}
    fields = {
        "name": report.title,
        "vif_id": report.port_id,
        "instance": report.instance_id,
        "source": report.source,
        "host": report.destination,
        "network": report.network,
        "mac_address": report.mac_address,
        "addresses": Several(list(report.addresses)),
        "status": status,
        "kind": report.kind,
        "outage": Seen(report.outage),
        "seconds": Steps((report, {**steps, "total": round(report.seconds, 3)})),
    }
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
    report = outcome.report
    gone = report is not None and report.result == "moved"
    outage = report.outage if report else None
    return (
        outcome.vif.title,
        outcome.vif.port_id,
        outcome.vif.instance_id,
        outcome.destination if gone else outcome.vif.host,
        report.result if report else "not begun",
        outage.lost if outage else None,
        round(outage.longest_gap * 1000) if outage else None,
        round(report.seconds, 2) if report else None,
    )
