"""``fakevm tempest``: OpenStack's own tests of Neutron, run in a lab."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from fakevm.cli import argument
from fakevm.cli.app import lab_of
from fakevm.cli.command import Lister
from fakevm.cli.help import with_examples
from fakevm.cli.steps import ShownSteps
from fakevm.errors import InvalidInput
from fakevm.lab import registry
from fakevm.model.lab import LabRecord
from fakevm.tempest import facts, page, tests
from fakevm.tempest.result import RED, TempestResult, identity_of, name_of, summary
from fakevm.tempest.session import Session
from fakevm.view import file

FAILED = 1
_COLUMNS = ("test", "status", "seconds", "seen")
_EPILOG = (
    "exit status: 0 all passed, were skipped, or failed as they are listed; 1 some failed, or passed although listed"
)
# More processes at once have nothing of it: Neutron's API of a lab answers with two.
_MOST_WORKERS = 4
# Reasons of skipped tests below a table.
_REASONS = 8
# Without a terminal it is told after so many tests how far it is.
_STRIDE = 50


class Tempest(Lister):
    """Run Tempest's tests in a lab that has Keystone: by default all of Neutron's API.

    Tempest and neutron-tempest-plugin come from PyPI, the first time, into an environment of their own. Their
    configuration is made from the lab: what its Neutron does not say that it has is skipped. What is known to fail for
    no fault of the lab's is listed with its reason; such a test that passes makes the run red.

    A table has the tests that neither passed nor were skipped, other formats have all.
    """

    first = ("test", "status", "seen")

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Declare the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument(
            "--regex",
            metavar="REGEX",
            default="",
            help="the tests whose ids have this (default: neutron_tempest_plugin.api and tempest.api.network); with"
            " --scenario those of neutron_tempest_plugin.scenario and of tempest.scenario's about networks",
        )
        parser.add_argument("--exclude", metavar="REGEX", default="", help="but not those whose ids have this")
        parser.add_argument(
            "--scenario",
            action="store_true",
            help="run in a client of the world outside, where floating IPs answer; the lab needs compute_api: true",
        )
        parser.add_argument(
            "--client", metavar="CLIENT", default="client", help="with --scenario: which client (default: client)"
        )
        parser.add_argument(
            "--smoke", action="store_true", help="with --scenario: only some twenty, of each area one or two"
        )
        parser.add_argument("--list", action="store_true", help="only list the tests; needs no lab")
        parser.add_argument(
            "--concurrency",
            metavar="N",
            type=argument.whole("a number of processes", 1, 64),
            default=min(_MOST_WORKERS, len(os.sched_getaffinity(0))),
            help="how many run at once (default: as many as there are processors, at most 4)",
        )
        parser.add_argument("--junit", metavar="FILE", type=Path, help="write the results as JUnit XML, too")
        parser.add_argument(
            "--html", metavar="FILE", type=Path, help="write a page, with the lab's log lines beside each failure"
        )
        parser.add_argument("--all", action="store_true", help="in a table, too: also what passed and was skipped")
        with_examples(
            parser,
            "fakevm tempest",
            "fakevm tempest --regex 'test_trunk|test_qos' --html tempest.html",
            "fakevm tempest --scenario --regex test_connectivity",
            "fakevm tempest --scenario --smoke",
            "fakevm tempest --list --scenario",
        )
        parser.epilog = _EPILOG
        return parser

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Run them, show the results, and give the exit status."""
        if parsed_args.smoke and not parsed_args.scenario:
            raise InvalidInput("--smoke is of the scenarios", hint="fakevm tempest --scenario --smoke")
        self._results: list[TempestResult] = []
        self._unwritten: InvalidInput | None = None
        for path in filter(None, (parsed_args.junit, parsed_args.html)):
            file.check(path)
        super().run(parsed_args)
        if self._unwritten:
            raise self._unwritten
        return FAILED if any(result.status in RED for result in self._results) else 0

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        """List them, or run them."""
        record = None if parsed_args.list else registry.choose(lab_of(self.app, parsed_args))
        if record:
            facts.refuse(record, scenario=parsed_args.scenario)
        with ShownSteps() as steps:
            venv = tests.environment(steps)
            chosen = self._chosen(parsed_args, tests.every(venv, steps))
            if record is None:
                return ("test", "id"), [(name_of(test), identity_of(test)) for test in chosen]
            session = Session(record, chosen, steps, client=parsed_args.client if parsed_args.scenario else "")
            try:
                session.run(venv, parsed_args.concurrency, *_shown(steps, len(chosen)))
            finally:
                # Also after Ctrl-C: what has ended is known.
                self._results = session.results
                self._write(parsed_args, record)
        shown = [one for one in self._results if self._is_shown(parsed_args, one)]
        return _COLUMNS, [(one.name, one.status, round(one.seconds, 1), one.seen) for one in shown]

    @staticmethod
    def _chosen(parsed_args: argparse.Namespace, every: list[str]) -> list[str]:
        if parsed_args.scenario:
            these = tests.chosen(every, tests.SCENARIOS)
            these = tests.chosen(these, tests.SMOKE) if parsed_args.smoke else these
            return tests.chosen(these, parsed_args.regex or ".", parsed_args.exclude)
        return tests.chosen(every, parsed_args.regex or tests.DEFAULT, parsed_args.exclude)

    @staticmethod
    def _is_shown(parsed_args: argparse.Namespace, one: TempestResult) -> bool:
        return parsed_args.all or parsed_args.formatter != "table" or one.status not in ("passed", "skipped")

    def produce_output(self, parsed_args: argparse.Namespace, column_names: Any, data: Any) -> int:
        """Show the table; below it the counts, and why tests were skipped."""
        if parsed_args.list or parsed_args.formatter != "table":
            return int(super().produce_output(parsed_args, column_names, data))
        status = int(super().produce_output(parsed_args, column_names, data)) if data else 0
        lines = [f"{len(self._results)} tests: {summary(list(self._results))}"]
        reasons = page.skips(self._results)
        lines += [f"  skipped {number}: {reason}" for reason, number in reasons[:_REASONS]]
        if more := sum(number for _, number in reasons[_REASONS:]):
            lines.append(f"  skipped {more} for other reasons: --html FILE, or -f json")
        self.app.stdout.write("\n".join(lines) + "\n")
        return status

    def _write(self, parsed_args: argparse.Namespace, record: LabRecord) -> None:
        """Write the files that are wanted; that one cannot be is told when the results have been shown."""
        for path, document in ((parsed_args.junit, page.xml), (parsed_args.html, page.html)):
            if path and self._results:
                try:
                    file.write(path, document(record, self._results))
                except InvalidInput as problem:
                    self._unwritten = problem


def _shown(steps: ShownSteps, number: int) -> tuple[Any, Any]:
    """Give what is told of a test that begins, and of one that has ended."""
    ended: list[TempestResult] = []

    def begun(test: str) -> None:
        steps.seen(f"{len(ended)} of {number}: {summary(ended)}; {name_of(test)}")

    def told(one: TempestResult) -> None:
        ended.append(one)
        if one.status in RED:
            steps.note(f"{one.status} {one.name}: {one.seen}")
        elif not steps.live and len(ended) % _STRIDE == 0:
            steps.note(f"{len(ended)} of {number}: {summary(ended)}")

    return begun, told
