"""``lab down``: it imports little, as it has little to do."""

from __future__ import annotations

import argparse

from fakevm.cli.app import lab_of
from fakevm.cli.command import Command
from fakevm.cli.failure import complain
from fakevm.cli.help import with_examples
from fakevm.errors import FakevmError
from fakevm.lab import ending, registry


class LabDown(Command):
    """End a lab and remove all of it. The machine is left as it was before."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Declare the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("name", metavar="NAME", nargs="?", help="the lab; needless while one runs")
        parser.add_argument("--all", action="store_true", help="end every lab")
        with_examples(parser, "fakevm lab down", "fakevm lab down second", "fakevm lab down --all")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """End it, also when it has failed or was killed."""
        if parsed_args.all:
            self._status = max(map(self._try, registry.names()), default=0)
            return
        ending.down(parsed_args.name or lab_of(self.app, parsed_args) or registry.only())

    _status = 0

    def _try(self, name: str) -> int:
        """End one of all; gives the exit status."""
        try:
            ending.down(name)
        except (FakevmError, OSError) as problem:
            if name in registry.names():
                return complain(problem)
        return 0

    def run(self, parsed_args: argparse.Namespace) -> int:
        """End them; one that cannot be ended does not keep the others from it, and the exit status says so."""
        return int(super().run(parsed_args)) or self._status
