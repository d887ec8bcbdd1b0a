"""The cliff application behind ``fakevm`` and ``neutron-fakevm``."""

from __future__ import annotations

import argparse
import logging
import os
import warnings
from difflib import get_close_matches
from importlib.metadata import entry_points
from typing import Any

import cliff.app
from cliff.command import Command
from cliff.commandmanager import CommandManager

from fakevm import __version__
from fakevm.cli.failure import Ended, complain
from fakevm.cli.words import verbatim_at
from fakevm.errors import NotFound

DESCRIPTION = "Tests OpenStack Neutron without Nova: fake VMs, emulated hosts, a whole Neutron in seconds."


class Commands(CommandManager):
    """The commands of an entry-point group; each is imported when it is wanted, not all at every start."""

    def load_commands(self, namespace: str) -> None:
        """Find the commands."""
        self.group_list.append(namespace)
        for entry in entry_points(group=namespace):
            self.commands[entry.name.replace("_", " ")] = entry


class App(cliff.app.App):
    """Runs the commands of the entry-point group ``fakevm.cli``."""

    # cliff would log each error under the program's name, which is our package's too; run_subcommand says them.
    LOG = logging.getLogger("cliff.app")

    def __init__(self) -> None:
        super().__init__(
            description=DESCRIPTION, version=__version__, command_manager=Commands("fakevm.cli"), deferred_help=True
        )
        self._verbatim: list[str] = []
        self._error: Exception | None = None
        self._ended: Ended | None = None

    def build_option_parser(self, *arguments: Any, **settings: Any) -> argparse.ArgumentParser:
        """Add our global options to cliff's."""
        parser: argparse.ArgumentParser = super().build_option_parser(*arguments, **settings)
        parser.add_argument(
            "--lab", metavar="NAME", default=None,
            help="the lab to work with, when several run (or FAKEVM_LAB)",
        )  # fmt: skip
        parser.add_argument(
            "--config-file", metavar="FILE", action="append", default=[], dest="config_files",
            help="a neutron.conf that says where the message broker is (transport_url); may be repeated",
        )  # fmt: skip
        parser.add_argument(
            "--os-cloud", metavar="CLOUD", default=None,
            help="a cloud of clouds.yaml instead of a lab; OS_* variables are read too",
        )  # fmt: skip
        return parser

    def configure_logging(self) -> None:
        """Show warnings of our own only, unless more is asked for."""
        if not (self.options.debug or self.options.verbose_level > 1 or self.options.log_file):
            warnings.simplefilter("ignore")
            logging.basicConfig(format="%(message)s", level=logging.CRITICAL)
            logging.getLogger("fakevm").setLevel(logging.WARNING)
            return
        super().configure_logging()

    def run(self, argv: list[str]) -> int:
        """Run a command line; the words of a guest's own command are kept from the global parser."""
        at = verbatim_at(argv)
        self._verbatim = argv[at:]
        status = int(super().run(argv[:at] or ["--help"]))
        return self._ended.exit_status if self._ended else status

    def run_subcommand(self, argv: list[str]) -> int:
        """Run the command, and turn its error into words and an exit status."""
        words = [*argv, *self._verbatim]
        try:
            self.command_manager.find_command(words)
        except ValueError:
            what, hint = self._unknown(words)
            raise NotFound(what, hint=hint) from None
        result = int(super().run_subcommand(words))
        return complain(self._error) if self._error else result

    def _unknown(self, words: list[str]) -> tuple[str, str]:
        """Say that there is no such command, and which may have been meant."""
        beginning = f"{words[0]} "
        family = sorted(name for name in self.command_manager.commands if name.startswith(beginning))
        if not family:
            near = " or ".join(self.get_fuzzy_matches(words[0])[:5])
            return f"there is no command {words[0]!r}", f"Did you mean {near}?"
        if len(words) == 1 or words[1].startswith("-"):
            return f"{words[0]!r} is not a whole command", f"There are: {', '.join(family)}."
        wanted = " ".join(words[:2])
        close = get_close_matches(wanted, family, n=1)
        hint = f"Did you mean {close[0]}?" if close else f"There are: {', '.join(family)}."
        return f"there is no command {wanted!r}", hint

    def clean_up(self, cmd: Command, result: int, err: BaseException | None) -> None:
        """Remember the error, which cliff only logs, or the signal, which it takes for Ctrl-C."""
        if isinstance(err, Ended):
            self._ended = err
        if isinstance(err, Exception) and not isinstance(err, BrokenPipeError):
            self._error = err


def lab_of(app: Any, parsed_args: argparse.Namespace) -> str | None:
    """Give the lab that the user named, before or after the command."""
    named = getattr(parsed_args, "exec_lab", None) or getattr(app.options, "lab", None)
    return named or os.environ.get("FAKEVM_LAB")
