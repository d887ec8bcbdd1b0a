"""``fakevm lab reload``: what runs from a source tree, and was edited since, is restarted."""

from __future__ import annotations

import argparse
from typing import Any

from fakevm.cli import argument
from fakevm.cli.app import lab_of
from fakevm.cli.command import Lister
from fakevm.cli.help import with_examples
from fakevm.cli.output import Several
from fakevm.cli.steps import ShownSteps
from fakevm.lab import registry, reload, warm


class LabReload(Lister):
    """Restart the programs of a lab that import files of a source tree which were edited since they were started.

    That is for labs with `release: {path: TREE}` or `packages: [TREE]`. Each is waited for until it serves. All others
    go on; a single program: `lab restart`. Migrations are not run, and of other files than modules nothing is known.
    """

    first = ("Program",)

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Declare the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("--dry-run", action="store_true", help="only say which, and for which files")
        argument.add_timeout(parser, "how long each is waited for until it serves")
        with_examples(parser, "fakevm lab reload", "fakevm lab reload --dry-run -f json")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        """Find them, restart them, list them."""
        record = registry.choose(lab_of(self.app, parsed_args))
        if not parsed_args.dry_run:
            # They import anew while we look who is concerned.
            warm.knock(record.directory)
        found = reload.stale(record)
        if found and not parsed_args.dry_run:
            with ShownSteps() as steps, registry.alone(record, "lab reload"):
                reload.carry_out(record, found, steps, parsed_args.timeout)
        return ("Program", "Files"), [(str(one.program), Several(list(map(str, one.files)))) for one in found]
