"""``fakevm lab apply`` and ``lab export``: an edited file for a lab that runs, and the file of what runs."""

from __future__ import annotations

import argparse
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from fakevm.cli import argument
from fakevm.cli.app import lab_of
from fakevm.cli.command import Command
from fakevm.cli.comparing import Changes, Comparing
from fakevm.cli.help import with_examples
from fakevm.cli.steps import ShownSteps
from fakevm.lab import export, reading, registry
from fakevm.lab.apply import applying
from fakevm.lab.apply.step import Step
from fakevm.model.lab import LabRecord
from fakevm.view import file


class LabApply(Comparing):
    """Bring a lab that runs to an edited file. What is as the file says is not touched.

    Networks, routers, security groups, QoS policies, guests, links, floating IPs and checks may change; hosts may come,
    and leave when no network or router needs them. The lab itself may not change, but for options of Neutron's
    programs: of those that read an option that is another just these are restarted.
    """

    nothing = (
        "Nothing to do: the lab has this file already.\n"
        "What others changed in Neutron since then is told by: fakevm lab diff"
    )

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Declare the arguments."""
        parser = super().get_parser(prog_name)
        parser.add_argument("file", metavar="FILE", type=Path, help="the lab file (YAML)")
        parser.add_argument("--dry-run", action="store_true", help="only show what would be done")
        argument.add_timeout(parser, "the longest wait for each step")
        with_examples(
            parser,
            "fakevm lab apply my-lab.yaml --dry-run",
            "fakevm lab apply my-lab.yaml --dry-run --exit-code",
            "fakevm lab apply my-lab.yaml",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        """Compare, and make it so; the table is what was done."""
        record = registry.choose(lab_of(self.app, parsed_args))
        with nullcontext() if parsed_args.dry_run else registry.alone(record, "lab apply"):
            return self._apply(record, parsed_args)

    def _apply(self, record: LabRecord, parsed_args: argparse.Namespace) -> Any:
        written = reading.load(parsed_args.file)
        settled, todo = applying.plan(record, written.lab, written.place)
        # Of a lab that was left half made also guests and their commands may be missing, which no file tells.
        finish = [Step("finish", "lab", record.name)] if record.state == "unfinished" else []
        steps = (*todo.steps(), *finish)
        if not parsed_args.dry_run:
            with ShownSteps() as shown:
                applying.apply(record, settled, todo, shown, parsed_args.timeout)
        return Step._fields, [(*step[:3], Changes(step.changes)) for step in steps]


class LabExport(Command):
    """Write the lab file of what runs: what the lab was made from, with guests and releases where they are now."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Declare the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("--output", metavar="FILE", type=Path, help="the file to write (default: print it)")
        with_examples(parser, "fakevm lab export", "fakevm lab export --output my-lab.yaml")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Write it."""
        record = registry.choose(lab_of(self.app, parsed_args))
        text = export.text(record)
        for interface in export.left_out(record, registry.lab_file(record)):
            print(f"note: left out: {interface}, which it was given since", file=self.app.stderr)
        if not parsed_args.output:
            sys.stdout.write(text)
            return
        file.write(parsed_args.output, text)
