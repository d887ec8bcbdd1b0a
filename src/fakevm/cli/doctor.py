"""``fakevm doctor``."""

from __future__ import annotations

import argparse
from collections.abc import Iterable

from fakevm import doctor
from fakevm.cli.command import Lister
from fakevm.lab import registry

_Table = tuple[tuple[str, ...], Iterable[tuple[str | bool, ...]]]
_COLUMNS = ("Kind", "Name", "Status", "Needed", "Detail", "Without it", "Remedy")


class Doctor(Lister):
    """List what FakeVM needs of this machine, what each missing thing switches off, and how to get it.

    The exit status is 0 when the default lab can run here, else 1.
    """

    _healthy = True

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[tuple[str, ...], Iterable[tuple[str | bool, ...]]]:
        """Run every check."""
        findings = doctor.examine(registry.root())
        self._healthy = doctor.can_run_default_lab(findings)
        return _COLUMNS, [self._row(finding) for finding in findings]

    @staticmethod
    def _row(finding: doctor.Finding) -> tuple[str | bool, ...]:
        advice = (finding.without_it, finding.remedy) if finding.status is not doctor.Status.OK else ("", "")
        return finding.kind, finding.name, finding.status.value, finding.required, finding.detail, *advice

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Show the findings; returns the exit status."""
        return super().run(parsed_args) or int(not self._healthy)
