"""``fakevm tool list|install|run|remove``: programs beside the system's."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from fakevm import errors, release, tool
from fakevm.cli.command import Command, Lister
from fakevm.cli.exec_local import become
from fakevm.cli.help import with_examples
from fakevm.cli.output import Several
from fakevm.cli.steps import ShownSteps

_NAMES = f"which: {', '.join(tool.TOOLS)}"


class ToolList(Lister):
    """List the tools that FakeVM knows, and where they are: the system's own, or beside it."""

    first = ("Name", "Status", "About")

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Declare the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        with_examples(parser, "fakevm tool list", "fakevm tool list -f json")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        """Look for each."""
        return ("Name", "Status", "About", "Packages", "Path"), [self._row(name) for name in tool.TOOLS]

    @staticmethod
    def _row(name: str) -> tuple[object, ...]:
        about, found = tool.of(name), tool.look(name)
        status = "not installed" if not found else "the system's" if found.is_systems else "installed"
        path = str(found.path(about.programs[0].rpartition("/")[2])) if found else ""
        return name, status, about.about, Several(list(about.packages)), path


class ToolInstall(Command):
    """Fetch tools from Debian's packages into the cache ($FAKEVM_CACHE, root's or the user's own).

    Neither root is needed, nor is the system touched: nothing is enabled, and no user is made. Where the system has a
    tool, that is used, and nothing is fetched. What is printed is where it is.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Declare the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("tools", metavar="TOOL", nargs="+", help=_NAMES)
        with_examples(parser, "fakevm tool install frr", "fakevm tool install bird lldpd")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Fetch what is not there. A name that is wrong is told before anything is done."""
        wanted = [tool.of(name) for name in parsed_args.tools]
        with ShownSteps() as steps:
            for each in wanted:
                if (found := tool.look(each.name)) is None:
                    with steps.step(f"installing {each.name}"):
                        found = tool.install(each.name, steps)
                elif found.is_systems:
                    print(f"The system has {each.name} already.", file=sys.stderr)
                print(found.path(each.programs[0].rpartition("/")[2]))


class ToolRun(Command):
    """Run a program of a tool, the system's own or the one beside it, with the libraries that came with it.

    Its exit status is the command's, and so are its streams.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Declare the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("tool", metavar="TOOL", help=_NAMES)
        parser.add_argument(
            "command", metavar="CMD", nargs=argparse.REMAINDER, help="one of its programs with its arguments, after --"
        )
        with_examples(
            parser, "fakevm tool run qemu -- qemu-img info disk.qcow2", "fakevm tool run bird -- bird -p -c bird.conf"
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Become the program."""
        found = tool.find(parsed_args.tool)
        words = parsed_args.command[parsed_args.command[:1] == ["--"] :]
        if not words or not found.has(words[0]):
            asked = f"{found.tool.name} has no program {words[0]!r}" if words else "which program?"
            there = [path.rpartition("/")[2] for path in found.tool.programs]
            known = ", ".join(name for name in dict.fromkeys(there) if found.has(name))
            raise errors.InvalidInput(asked, hint=f"fakevm tool run {found.tool.name} -- PROGRAM; there are: {known}.")
        become([*found.command(words[0]), *words[1:]])


class ToolRemove(Command):
    """Remove tools from the cache. The system's own are left alone, and so is what runs of them in labs."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Declare the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("tools", metavar="TOOL", nargs="+", help=_NAMES)
        with_examples(parser, "fakevm tool remove frr")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Remove each; one that is not there is an error."""
        for name in [tool.of(name).name for name in parsed_args.tools]:
            if not tool.remove(name):
                raise errors.NotFound(
                    f"{name} is not installed in {release.own_cache()}",
                    hint="See what is there: fakevm tool list",
                )
            print(f"{name} is removed from {release.own_cache()}", file=sys.stderr)
