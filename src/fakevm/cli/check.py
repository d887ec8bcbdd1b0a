"""``fakevm check``: is the lab as its file says that it must be?"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fakevm.cli.app import lab_of
from fakevm.cli.check_board import Board
from fakevm.cli.command import Lister
from fakevm.cli.help import with_examples
from fakevm.errors import InvalidInput
from fakevm.lab import reading, registry
from fakevm.lab.checks import running
from fakevm.model.check import CheckResult, Status
from fakevm.model.lab import LabRecord
from fakevm.model.labfile import LabFile
from fakevm.view import junit

FAILED = 1
NOT_RUN = 3
_COLUMNS = ("name", "kind", "source", "target", "expect", "status", "seconds", "attempts", "seen")
_EPILOG = "exit status: 0 all met; 1 some failed; 3 some could not be run"


class Check(Lister):
    """Run the checks of a lab file in a lab that runs.

    Without FILE: those of the file that the lab was started with. All run side by side, but for measurements of
    bandwidth, which come last.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Declare the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("file", metavar="FILE", nargs="?", type=Path, help="the lab file whose checks are run")
        parser.add_argument(
            "--only", metavar="NAME", action="append", default=[], help="run this check; may be repeated"
        )
        parser.add_argument("--junit", metavar="FILE", type=Path, help="write the results as JUnit XML, too")
        parser.add_argument(
            "--invert", action="store_true", help="expect the opposite: every check of a good file fails then"
        )
        with_examples(parser, "fakevm check", "fakevm check my-lab.yaml --junit checks.xml", "fakevm check -f json")
        parser.epilog = f"{parser.epilog}\n{_EPILOG}\n"
        return parser

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Run them, show the results, and give the exit status."""
        self._results: Sequence[CheckResult] = ()
        super().run(parsed_args)
        return exit_status(self._results)

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        """Run them."""
        record, lab = _which(parsed_args.file, lab_of(self.app, parsed_args))
        checks = running.chosen(lab, tuple(parsed_args.only))
        settled: Status = "met"
        if parsed_args.invert:
            checks, settled = running.inverted(checks), "failed"
        with Board(list(checks)) as board:
            self._results = running.run(record, lab, checks, board.tell, board, settled=settled)
        if parsed_args.junit:
            _write(parsed_args.junit, junit.document(record.name, self._results))
        return _COLUMNS, [tuple(getattr(result, column) for column in _COLUMNS) for result in self._results]


def exit_status(results: Sequence[CheckResult]) -> int:
    """Sum up: what could not be run outweighs what failed."""
    found = {result.status for result in results}
    return NOT_RUN if "error" in found else FAILED if "failed" in found else 0


def _which(file: Path | None, name: str | None) -> tuple[LabRecord, LabFile]:
    """Find the lab, and the file: the lab that is named, else the one of the file's name, else the only one."""
    lab = reading.read(file) if file else None
    if lab and not name and lab.name in [record.name for record in registry.running()]:
        name = lab.name
    record = registry.choose(name)
    return record, lab or registry.lab_file(record)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text)
    except OSError as exc:
        raise InvalidInput(f"cannot write {path}: {exc.strerror}") from exc
