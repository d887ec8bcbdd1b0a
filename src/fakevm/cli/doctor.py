"""``fakevm doctor``."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import Any

from fakevm import doctor
from fakevm.cli.command import Lister
from fakevm.cli.help import with_examples
from fakevm.lab import registry

_Row = tuple[str | bool, ...]
_COLUMNS = ("Kind", "Name", "Status", "Needed", "Detail", "Without it", "Remedy")


class Doctor(Lister):
    """List what FakeVM needs of this machine, what each missing thing switches off, and how to get it.

    The exit status is 0 when the default lab can run here, else 1.
    """

    first = ("Name", "Status", "Needed", "Detail", "Kind")

    first = ("Name", "Status", "Needed", "Detail", "Kind")
    _healthy = True

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Declare the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        with_examples(parser, "fakevm doctor", "fakevm doctor -f json")
        return parser

    _healthy = True

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[tuple[str, ...], Iterable[_Row]]:
        """Run every check."""
        findings = doctor.examine(registry.root())
        self._healthy = doctor.can_run_default_lab(findings)
        return _COLUMNS, [self._row(finding) for finding in findings]

    @staticmethod
    def _row(finding: doctor.Finding) -> tuple[str | bool, ...]:
        advice = (finding.without_it, finding.remedy) if finding.status is not doctor.Status.OK else ("", "")
        return finding.kind, finding.name, finding.status.value, finding.required, finding.detail, *advice

    def produce_output(self, parsed_args: argparse.Namespace, column_names: Any, data: Any) -> int:
        """Tell people below what was found what that means: three wide columns, mostly empty, fit no terminal."""
        if parsed_args.formatter == "table" and not (parsed_args.columns or parsed_args.wide):
            column_names, data = column_names[:5], map(_told, data)
        return int(super().produce_output(parsed_args, column_names, data))

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Show the findings; returns the exit status."""
        return super().run(parsed_args) or int(not self._healthy)


def _told(row: _Row) -> _Row:
    *seen, detail, without_it, remedy = row
    lines = (detail, without_it and f"Without it: {without_it}.", remedy and f"Remedy: {remedy}")
    return (*seen, "\n".join(str(line) for line in lines if line))
