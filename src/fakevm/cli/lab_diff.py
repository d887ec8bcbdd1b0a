"""``fakevm lab diff``: what a lab really is, beside what its file says."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from fakevm.cli.app import lab_of
from fakevm.cli.comparing import Comparing, Found
from fakevm.cli.help import with_examples
from fakevm.lab import reading, registry
from fakevm.lab.apply import reality
from fakevm.lab.apply.drift import Drift


class LabDiff(Comparing):
    """Compare what a lab really is with its lab file, or with FILE: what was changed, is missing, or is extra.

    All that a lab file can say is compared: Neutron's resources with their attributes, also those that the file leaves
    to Neutron; where guests are; hosts. What was made by hand is extra.
    """

    nothing = "No difference: the lab is as the file says."

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Declare the arguments."""
        parser = super().get_parser(prog_name)
        parser.add_argument("file", metavar="FILE", nargs="?", type=Path, help="the lab file (default: the lab's own)")
        with_examples(parser, "fakevm lab diff", "fakevm lab diff my-lab.yaml -f json", "fakevm lab diff --exit-code")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        """Compare."""
        record = registry.choose(lab_of(self.app, parsed_args))
        if parsed_args.file:
            written = reading.load(parsed_args.file)
            found = reality.differences(record, written.lab, written.place)
        else:
            found = reality.differences(record, None)
        return (*Drift._fields[:3], "difference"), [(*row[:3], Found(row)) for row in found]
