"""``fakevm check --matrix``: one lab file over many backends and releases, one lab after another, in one table."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml
from cliff.columns import FormattableColumn

from fakevm.backend import base as backends
from fakevm.cli.check_board import Board
from fakevm.cli.lab import need_programs
from fakevm.cli.output import Table
from fakevm.cli.steps import ShownSteps
from fakevm.errors import FakevmError
from fakevm.lab import matrix
from fakevm.lab.checks import running
from fakevm.lab.matrix import Variant
from fakevm.lab.settle.settling import Place, nowhere
from fakevm.model.check import CheckResult, Status
from fakevm.model.labfile import LabFile
from fakevm.model.labfile.check import Check

LAB_UP = "lab up"
"""The row that says whether, and how fast, each variant's lab came up."""

Results = dict[str, list[CheckResult]]


@dataclass
class Matrix:
    """Runs checks of a lab file in variants of it.

    ``settled`` is as of ``running.run``, ``timeout`` and ``place`` are as of ``lab up``.
    ``results`` are those of the variants that have ended, by their titles.
    """

    lab: LabFile
    checks: Mapping[str, Check]
    settled: Status
    timeout: float
    place: Place = nowhere
    results: Results = field(default_factory=dict)

    def run(self, variants: Sequence[Variant]) -> None:
        """Run the variants one after another; one that fails does not stop the others."""
        for number, variant in enumerate(variants, start=1):
            _say(f"{number} of {len(variants)}: {variant.title}")
            self.results[variant.title] = self._refused(variant) if variant.refused else self._tried(variant)

    def _refused(self, variant: Variant) -> list[CheckResult]:
        _say(f"skipped: {variant.refused}")
        return self._all_alike(_lab_up("skipped", variant.refused), "skipped", variant.refused)

    def _tried(self, variant: Variant) -> list[CheckResult]:
        begin = time.monotonic()
        up: CheckResult | None = None
        try:
            lab = matrix.lab_of(self.lab, variant)
            need_programs(lab, backends.load(lab.backend))
            with contextlib.ExitStack() as held:
                with ShownSteps() as steps:
                    record = held.enter_context(matrix.running(lab, steps, self.timeout, self.place))
                up = _lab_up("met", f"{len(record.hosts)} hosts", time.monotonic() - begin)
                with Board(list(self.checks)) as board:
                    found = running.run(record, self.lab, self.checks, board.tell, board, settled=self.settled)
                return [up, *found]
        except FakevmError as problem:
            _say(f"error: {problem}")
            words = " ".join(str(problem).split())
            if up:
                return self._all_alike(up, "error", words)
            return self._all_alike(_lab_up("error", words, time.monotonic() - begin), "error", "no lab")

    def _all_alike(self, up: CheckResult, status: Status, words: str) -> list[CheckResult]:
        return [up, *(running.ended(name, check, status, words) for name, check in self.checks.items())]


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _lab_up(status: Status, seen: str, seconds: float = 0.0) -> CheckResult:
    return CheckResult(
        name=LAB_UP, kind="lab", source="", expect="passes", status=status, seen=seen,
        seconds=round(seconds, 2), attempts=1,
    )  # fmt: skip


# -- as a table ------------------------------------------------------------------------------------------------


class _Fields(dict[str, Any]):
    """A result that reads in short where text is wanted, and stays a mapping in JSON and YAML."""

    def __str__(self) -> str:
        if self["status"] == "skipped":
            return f"skipped: {self['lacks']}" if self["lacks"] else "skipped"
        return f"{self['status']} {self['seconds']:.1f} s"


yaml.SafeDumper.add_representer(_Fields, yaml.SafeDumper.represent_dict)


class Cell(FormattableColumn[_Fields]):
    """What came of a check with a variant."""

    def human_readable(self) -> str:
        """Write it in short: what was seen is below the table."""
        return str(self._value)

    def machine_readable(self) -> _Fields:
        """Keep what was seen."""
        return self._value


def table(results: Results) -> Table:
    """Make a row of each check, with a column for each variant."""
    shown = {"status", "seconds", "attempts", "seen", "lacks"}
    rows = [
        (row[0].name, *(Cell(_Fields(result.model_dump(include=shown))) for result in row))
        for row in zip(*results.values(), strict=True)
    ]
    return ("check", *results), rows


def remarks(results: Results) -> list[str]:
    """Say why something was not met, each thing once."""
    found = {}
    for variant, row in results.items():
        for result in row:
            if result.status == "skipped":
                found[result.seen] = f"skipped: {result.seen}"
            elif result.status != "met" and result.seen != "no lab":
                found[f"{variant} {result.name}"] = f"{result.status}: {variant}: {result.name}: {result.seen}"
    return list(found.values())
