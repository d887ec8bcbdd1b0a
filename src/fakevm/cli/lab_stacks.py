"""``fakevm lab stacks``: what the threads of a program are at."""

from __future__ import annotations

import argparse
import json

from fakevm.cli.app import lab_of
from fakevm.cli.command import Command
from fakevm.cli.help import with_examples
from fakevm.lab import programs, registry, stacks


class LabStacks(Command):
    """Show what each thread of a program of a lab is at just now, also of a program that hangs; it goes on.

    That is for programs in Python: Neutron's, and FakeVM's own. It is read by py-spy.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Declare the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument(
            "program", metavar="PROGRAM", help="as in `lab status`: neutron-api, compute1/neutron-openvswitch-agent"
        )
        parser.add_argument("--locals", action="store_true", help="also show the local variables of each frame")
        parser.add_argument("--json", action="store_true", help="print it as JSON: a list of threads with their frames")
        with_examples(
            parser,
            "fakevm lab stacks compute1/neutron-openvswitch-agent",
            "fakevm lab stacks neutron-rpc-server --locals",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Print them."""
        record = registry.choose(lab_of(self.app, parsed_args))
        (program,) = programs.find(record, [parsed_args.program])
        wanted = {"--locals": parsed_args.locals, "--json": parsed_args.json}
        found = stacks.of(record, program, *(name for name, is_so in wanted.items() if is_so))
        if parsed_args.json:
            threads = [thread for process in found for thread in json.loads(process)]
            self.app.stdout.write(json.dumps(threads, indent=2) + "\n")
        else:
            self.app.stdout.write("\n".join(found))
