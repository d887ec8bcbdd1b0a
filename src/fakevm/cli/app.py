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
from cliff.help import HelpExit

from fakevm import __version__
from fakevm.cli.command import Parser
from fakevm.cli.failure import Ended, complain
from fakevm.cli.foreign import ways
from fakevm.cli.overview import ABOUT, Help, group, overview
from fakevm.cli.words import EXIT_CODE, verbatim_at
from fakevm.errors import InvalidInput, NotFound


class Commands(CommandManager):
    """The commands of an entry-point group; each is imported when it is wanted, not all at every start."""

    def load_commands(self, namespace: str) -> None:
        """Find the commands."""
        self.group_list.append(namespace)
        for entry in entry_points(group=namespace):
            self.commands[entry.name.replace("_", " ")] = entry

    def add_command(self, name: str, *arguments: Any, **settings: Any) -> None:
        """Add a command that is no entry point, but for cliff's ``complete``: ours knows values, too."""
        if name != "complete":
            super().add_command(name, *arguments, **settings)


class App(cliff.app.App):
    """Runs the commands of the entry-point group ``fakevm.cli``."""

    # cliff would log each error under the program's name, which is our package's too; run_subcommand says them.
    LOG = logging.getLogger("cliff.app")

    def __init__(self) -> None:
        super().__init__(
            description=ABOUT, version=__version__, command_manager=Commands("fakevm.cli"), deferred_help=True
        )
        self.command_manager.add_command("help", Help)
        self._verbatim: list[str] = []
        self._error: Exception | None = None
        self._ended: Ended | None = None

    def build_option_parser(self, *arguments: Any, **settings: Any) -> argparse.ArgumentParser:
        """Add our global options to cliff's."""
        parser: argparse.ArgumentParser = super().build_option_parser(*arguments, **settings)
        parser.__class__ = Parser
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
        # A log that cannot be written any more is no reason to stop, nor to print a traceback for each line.
        logging.raiseExceptions = False
        if not (self.options.debug or self.options.verbose_level > 1 or self.options.log_file):
            warnings.simplefilter("ignore")
            logging.basicConfig(format="%(message)s", level=logging.CRITICAL)
            logging.getLogger("fakevm").setLevel(logging.WARNING)
            return
        try:
            super().configure_logging()
        except OSError as exc:
            # Raised here it would be logged by cliff, and that is all.
            self._error = InvalidInput(f"cannot write the log file {self.options.log_file}: {exc.strerror}")

    def run(self, argv: list[str]) -> int:
        """Run a command line; the words of a guest's own command are kept from the global parser."""
        at = verbatim_at(argv)
        self._verbatim = argv[at:]
        status = int(super().run(argv[:at] or ["help"]))
        return self._ended.exit_status if self._ended else status

    def print_help_if_requested(self) -> None:
        """Show where to begin, and our global options; cliff would list every command there is.

        An error of it is kept, as cliff would only log it.
        """
        if not self.options.deferred_help:
            return
        self.parser.description = None  # the overview says it
        try:
            self.stdout.write(f"{overview(self.command_manager.commands)}\n{self.parser.format_help()}")
        except Exception as problem:
            self._error = problem
        else:
            raise HelpExit()

    def interact(self) -> None:
        """Refuse global options without a command, for which cliff would open a shell of its own."""
        raise self._error or InvalidInput("which command?", hint="They are listed by: fakevm --help")

    def run_subcommand(self, argv: list[str]) -> int:
        """Run the command, and turn its error into words and an exit status."""
        if self._error:
            raise self._error
        words = [*argv, *self._verbatim]
        self._require_command(words)
        if words[0] == "help" and len(words) > 1 and not self._begun_by(words[1]):
            self._require_command(words[1:])
        try:
            result = int(super().run_subcommand(words))
        except SystemExit as ended:
            # argparse's, upon a mistake in the words.
            raise SystemExit(1 if EXIT_CODE in words and ended.code else ended.code) from ended
        return complain(self._error) if self._error else result

    def _begun_by(self, word: str) -> bool:
        """Tell whether ``help`` has commands to list for a word."""
        names = [name for name, _ in self.command_manager]
        return any(name.startswith(word) for name in names) or bool(group(word, names))

    def _require_command(self, words: list[str]) -> None:
        """Raise NotFound when words do not begin with a command."""
        try:
            self.command_manager.find_command(words)
        except ValueError:
            what, hint = self._unknown(words)
            raise NotFound(what, hint=hint) from None

    def _unknown(self, words: list[str]) -> tuple[str, str]:
        """Say that there is no such command, and which may have been meant."""
        commands = self.command_manager.commands
        family = sorted(name for name in commands if name.startswith(f"{words[0]} "))
        if not family:
            near = " or ".join(self.get_fuzzy_matches(words[0])[:5])
            return f"there is no command {words[0]!r}", ways(words[0], commands) or f"Did you mean {near}?"
        if len(words) == 1 or words[1].startswith("-"):
            return f"{words[0]!r} is not a whole command", f"There are: {', '.join(family)}."
        wanted = " ".join(words[:2])
        if close := get_close_matches(wanted, family, n=1, cutoff=0.8):
            return f"there is no command {wanted!r}", f"Did you mean {close[0]}?"
        hint = ways(words[1], commands)
        return f"there is no command {wanted!r}", hint or f"There are: {', '.join(family)}."

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
