"""``fakevm check``: is the lab as its file says that it must be?"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fakevm.cli import argument
from fakevm.cli.app import lab_of
from fakevm.cli.check_board import Board
from fakevm.cli.check_matrix import Matrix, remarks, table
from fakevm.cli.command import Lister
from fakevm.cli.help import with_examples
from fakevm.errors import InvalidInput
from fakevm.lab import matrix, reading, registry
from fakevm.lab.checks import running
from fakevm.lab.settle.settling import Place, nowhere
from fakevm.model.check import CheckResult, Status
from fakevm.model.lab import LabRecord
from fakevm.model.labfile import LabFile
from fakevm.model.labfile.check import Check as CheckFile
from fakevm.view import file, junit

FAILED = 1
NOT_RUN = 3
_COLUMNS = ("name", "kind", "source", "target", "expect", "status", "seconds", "attempts", "seen")
_EPILOG = "exit status: 0 all met; 1 some failed; 3 some could not be run"


class Check(Lister):
    """Run the checks of a lab file in a lab that runs.

    Without FILE: those of the file that the lab was started with. All run side by side; measurements of bandwidth and
    migrations come last. What needs a feature that the lab's backend lacks is skipped.

    With --matrix a lab is started for each variant of FILE, one after another, and ended when its checks have run. The
    table has a row for each check and a column for each variant.
    """

    first = ("name", "status", "seen", "seconds")

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Declare the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("file", metavar="FILE", nargs="?", type=Path, help="the lab file whose checks are run")
        parser.add_argument(
            "--only", metavar="NAME", action="append", default=[], help="run this check; may be repeated"
        )
        parser.add_argument("--junit", metavar="FILE", type=Path, help="write the results as JUnit XML, too")
        parser.add_argument(
            "--matrix",
            metavar="AXIS=A,B",
            nargs="+",
            help="run FILE in a lab of its own for each backend and release: backend=A,B release=A,B",
        )
        argument.add_timeout(parser, "with --matrix: the longest wait for each step of `lab up`")
        parser.add_argument(
            "--invert", action="store_true", help="expect the opposite: every check of a good file fails then"
        )
        with_examples(
            parser,
            "fakevm check",
            "fakevm check my-lab.yaml --junit checks.xml",
            "fakevm check my-lab.yaml --matrix backend=ovs,ovn release=2026.1,2026.2",
        )
        parser.epilog = _EPILOG
        return parser

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Run them, show the results, and give the exit status."""
        self._results: Sequence[CheckResult] = ()
        self._remarks: Sequence[str] = ()
        self._unwritten: InvalidInput | None = None
        if parsed_args.junit:
            file.check(parsed_args.junit)
        super().run(parsed_args)
        if self._unwritten:
            raise self._unwritten
        return exit_status(self._results)

    def produce_output(self, parsed_args: argparse.Namespace, column_names: Any, data: Any) -> int:
        """Show the table, and below it, where a person reads it, what is to be said of its cells."""
        status = int(super().produce_output(parsed_args, column_names, data))
        if self._remarks and parsed_args.formatter == "table":
            self.app.stdout.write("\n".join(self._remarks) + "\n")
        return status

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        """Run them."""
        if parsed_args.matrix:
            return self._run_matrix(parsed_args)
        record, lab = _which(parsed_args.file, lab_of(self.app, parsed_args))
        checks, settled = _expected(running.chosen(lab, tuple(parsed_args.only)), parsed_args.invert)
        with Board(list(checks)) as board:
            self._results = running.run(record, lab, checks, board.tell, board, settled=settled)
        if parsed_args.junit:
            self._write(parsed_args.junit, {record.name: self._results})
        return _COLUMNS, [tuple(getattr(result, column) for column in _COLUMNS) for result in self._results]

    def _run_matrix(self, parsed_args: argparse.Namespace) -> Any:
        file, axes = _split(parsed_args)
        lab, place = self._lab_of_matrix(file, parsed_args)
        variants = matrix.variants(lab, matrix.axes(axes))
        checks, settled = _expected(running.chosen(lab, tuple(parsed_args.only)), parsed_args.invert)
        work = Matrix(lab, checks, settled, parsed_args.timeout, place)
        work.run(variants)
        self._results = [result for row in work.results.values() for result in row]
        self._remarks = remarks(work.results)
        if parsed_args.junit:
            self._write(parsed_args.junit, work.results)
        return table(work.results)

    def _write(self, path: Path, results: Mapping[str, Sequence[CheckResult]]) -> None:
        """Write the results; that they cannot be is told when they have been shown."""
        try:
            file.write(path, junit.document(results))
        except InvalidInput as problem:
            self._unwritten = problem

    def _lab_of_matrix(self, file: Path | None, parsed_args: argparse.Namespace) -> tuple[LabFile, Place]:
        """Give the file, and how to say where in it something is; that of a lab has no lines."""
        if file:
            written = reading.load(file)
            return written.lab, written.place
        return registry.lab_file(registry.choose(lab_of(self.app, parsed_args))), nowhere


def exit_status(results: Sequence[CheckResult]) -> int:
    """Sum up: what could not be run outweighs what failed."""
    found = {result.status for result in results}
    return NOT_RUN if "error" in found else FAILED if "failed" in found else 0


def _expected(checks: dict[str, CheckFile], invert: bool) -> tuple[dict[str, CheckFile], Status]:
    """Give the checks as they are wanted, and the status that each is tried for."""
    return (running.inverted(checks), "failed") if invert else (checks, "met")


def _split(parsed_args: argparse.Namespace) -> tuple[Path | None, list[str]]:
    """Tell FILE from the axes: it may come after them."""
    axes = [word for word in parsed_args.matrix if "=" in word]
    others = [Path(word) for word in parsed_args.matrix if "=" not in word]
    files = [*filter(None, [parsed_args.file]), *others]
    if len(files) > 1:
        raise InvalidInput(f"which one is the lab file: {' or '.join(map(str, files))}?")
    return (files[0] if files else None), axes


def _which(file: Path | None, name: str | None) -> tuple[LabRecord, LabFile]:
    """Find the lab, and the file: the lab that is named, else the one of the file's name, else the only one."""
    lab = reading.read(file) if file else None
    if lab and not name and lab.name in [record.name for record in registry.running()]:
        name = lab.name
    record = registry.choose(name)
    return record, lab or registry.lab_file(record)
