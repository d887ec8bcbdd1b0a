"""What became of migrations, as columns and tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TextIO

from cliff.columns import FormattableColumn

from fakevm.cli.output import Columns, Seconds, Several, Table
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


def moved(report: MigrationReport, status: str) -> Columns:
    """Show one port that was moved."""
    steps = {step.name: round(step.seconds, 3) for step in report.steps}
    fields = {
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
        "seconds": Seconds({**steps, "total": round(report.seconds, 3)}),
    }
    return tuple(fields), tuple(fields.values())


def recovered(recovery: Recovery) -> Columns:
    """Show what a recovery did."""
    fields = {
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
    columns = ("vif_id", "instance", "host", "result", "lost", "longest_gap_ms", "seconds")
    return columns, [_evacuated(outcome) for outcome in outcomes]


def _evacuated(outcome: Outcome) -> tuple[Any, ...]:
    report = outcome.report
    gone = report is not None and report.result == "moved"
    outage = report.outage if report else None
    return (
        outcome.vif.port_id,
        outcome.vif.instance_id,
        outcome.destination if gone else outcome.vif.host,
        report.result if report else "not begun",
        outage.lost if outage else None,
        round(outage.longest_gap * 1000) if outage else None,
        round(report.seconds, 2) if report else None,
    )


def print_steps(report: MigrationReport, stream: TextIO) -> None:
    """Print the table of steps: when each began, and how long it took."""
    from rich.console import Console
    from rich.table import Table as RichTable

    table = RichTable("step", title="steps, in seconds")
    table.add_column("start", justify="right")
    table.add_column("length", justify="right")
    for step in report.steps:
        table.add_row(step.name, f"{step.start:.3f}", f"{step.seconds:.3f}")
    Console(file=stream).print(table)
