"""The kinds of commands: cliff's, which start faster."""

from __future__ import annotations

import argparse
from typing import Any, ClassVar

import cliff._argparse
import cliff.command
import cliff.display
import cliff.help
import cliff.lister
import cliff.show
import stevedore

from fakevm.cli.argument import Strict
from fakevm.cli.table import PeoplesTable
from fakevm.errors import InvalidInput


class Parser(Strict, cliff._argparse.ArgumentParser):
    """cliff's parser, which takes no empty words."""


class Command(cliff.command.Command):
    """A command with output of its own form, or none."""

    def get_epilog(self) -> str:
        """Leave the end of help to examples: cliff reads every package's metadata (50 ms) for the plugin's name."""
        return ""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Make the parser strict."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        # cliff lets nobody choose the class.
        parser.__class__ = Parser
        return parser


class _Shown(Command, cliff.display.DisplayCommandBase[Any]):
    """A command with a result to show. What it has done is not lost when that cannot be shown."""

    _result: Any = None

    def _generate_columns_and_selector(self, parsed_args: argparse.Namespace, column_names: Any) -> Any:
        known = {self._normalize_column_name(name) for name in column_names}
        for column in parsed_args.columns:
            if self._normalize_column_name(column) not in known:
                raise InvalidInput(f"there is no column {column!r}", hint=f"There are: {', '.join(column_names)}.")
        return super()._generate_columns_and_selector(parsed_args, column_names)

    def _run_after_hooks(self, parsed_args: argparse.Namespace, data: Any) -> Any:
        self._result = super()._run_after_hooks(parsed_args, data)
        return self._result

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Do it, and show the result."""
        try:
            status = int(super().run(parsed_args))
            self.app.stdout.flush()
        except Exception as problem:
            if self._result and (done := self.done(*self._result)):
                problem.add_note(done)
            raise
        return status

    def done(self, column_names: Any, data: Any) -> str:
        """Say what was done and how to go on, for when the result cannot be shown; nothing when it was only a look."""
        return ""


class _ForPeople(_Shown):
    """A command with output in cliff's formats; its tables are ours.

    ``first``: the columns or fields that people want, in their order; those that are not among them come after, and
    are left out first where a terminal is too narrow.
    """

    first: ClassVar[tuple[str, ...]] = ()

    def _load_formatter_plugins(self) -> Any:
        formats = super()._load_formatter_plugins()
        for extension in formats:
            if extension.name == "table":
                extension.obj = PeoplesTable(self.first)
        return formats


class ShowOne(_ForPeople, cliff.show.ShowOne):
    """A command that shows one thing, field by field."""


class Lister(_ForPeople, cliff.lister.Lister):
    """A command that shows a table."""


class Help(Command, cliff.help.HelpCommand):
    """Show how a command is used."""


class ShowSome(ShowOne):
    """A command that shows one thing field by field, or several (``parsed_args.count``) as a table.

    Formats of tables only (csv) show one thing as a table too.
    """

    def _load_formatter_plugins(self) -> Any:
        formats = super()._load_formatter_plugins()
        of_tables: stevedore.ExtensionManager[Any] = stevedore.ExtensionManager(
            "cliff.formatter.list", invoke_on_load=True
        )
        formats.extensions += [extension for extension in of_tables if extension.name not in formats]
        return formats

    def several(self, parsed_args: argparse.Namespace) -> bool:
        """Tell whether there are several to show."""
        return bool(parsed_args.count > 1)

    def as_table(self, parsed_args: argparse.Namespace) -> bool:
        """Tell whether it is to be shown as a table: then ``take_action`` gives rows."""
        return self.several(parsed_args) or not hasattr(self.formatter, "emit_one")

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Find out first whether the format fits. Raises InvalidInput."""
        formatter = self._formatter_plugins[parsed_args.formatter].obj
        if self.several(parsed_args) and not hasattr(formatter, "emit_list"):
            raise InvalidInput(f"-f {parsed_args.formatter} cannot show several", hint="Use -f json.")
        return int(super().run(parsed_args))

    def produce_output(self, parsed_args: argparse.Namespace, column_names: Any, data: Any) -> int:
        """Show the fields, or the rows."""
        if not self.as_table(parsed_args):
            return int(super().produce_output(parsed_args, column_names, data))
        columns, selector = self._generate_columns_and_selector(parsed_args, column_names)
        rows = [list(self._compress_iterable(row, selector)) for row in data] if selector else data
        formatter: Any = self.formatter
        formatter.emit_list(columns, rows, self.app.stdout, parsed_args)
        return 0
