"""``fakevm doctor``."""

from __future__ import annotations

import argparse
from collections.abc import Iterable

from cliff.lister import Lister

from fakevm import doctor
from fakevm.lab import registry

_COLUMNS = ("Kind", "Name", "Status", "Detail", "Without it", "Remedy")


class Doctor(Lister):
    """List what FakeVM needs of this machine, what each missing thing switches off, and how to get it.

    The exit status is 0 when the default lab can run here, else 1.
    """

    _healthy = True

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[tuple[str, ...], Iterable[tuple[str, ...]]]:
        """Run every check."""
        findings = doctor.examine(registry.root())
        self._healthy = doctor.can_run_default_lab(findings)
        return _COLUMNS, [self._row(finding) for finding in findings]

    @staticmethod
    def _row(finding: doctor.Finding) -> tuple[str, ...]:
        fine = finding.status is doctor.Status.OK
        status = finding.status.value + (
            " (needed)" if finding.required and finding.status is doctor.Status.MISSING else ""
        )
        remedies = ("", "") if fine else (finding.without_it, finding.remedy)
        return finding.kind, finding.name, status, finding.detail, *remedies

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Show the findings; returns the exit status."""
        return super().run(parsed_args) or int(not self._healthy)
