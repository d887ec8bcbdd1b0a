"""Commands that compare: they say so when there is no difference, and their exit status may tell."""

from __future__ import annotations

import argparse
import textwrap
from typing import Any

from cliff.columns import FormattableColumn

from fakevm.cli.command import Lister
from fakevm.cli.words import EXIT_CODE
from fakevm.errors import FakevmError
from fakevm.lab.apply.drift import Drift
from fakevm.lab.apply.step import Change

# As of `terraform plan -detailed-exitcode`.
FAILED = 1
DIFFERS = 2


class Comparing(Lister):
    """Lists differences."""

    nothing: str
    """What is said when there is none."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Declare the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        told = "let the exit status tell: 0 nothing differs, 2 something does, 1 an error"
        parser.add_argument(EXIT_CODE, action="store_true", help=told)
        return parser

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Show the differences, and give the exit status."""
        self._differs = False
        try:
            status = int(super().run(parsed_args))
        except FakevmError as error:
            if parsed_args.exit_code:
                error.exit_status = FAILED
            raise
        return DIFFERS if parsed_args.exit_code and self._differs else status

    def produce_output(self, parsed_args: argparse.Namespace, column_names: Any, data: Any) -> int:
        """Show the list, or say in words that it is empty where words are wanted."""
        rows = list(data)
        self._differs = bool(rows)
        if not rows and parsed_args.formatter == "table":
            self.app.stdout.write(f"{self.nothing}\n")
            return 0
        return int(super().produce_output(parsed_args, column_names, rows))


def _wrapped(change: Change) -> str:
    """Write a change in lines that a terminal has room for beside the other columns."""
    return textwrap.fill(str(change), 44, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


class Found(FormattableColumn[Any]):
    """An attribute that is not as it is wanted."""

    def human_readable(self) -> str:
        """Write it as ``mtu: 1450 → 1400``; of what is extra only what is found."""
        row: Drift = self._value
        if row.state == "changed":
            return _wrapped(Change(row.attribute, row.wanted, row.found))
        return f"{row.attribute}: {row.found}" if row.attribute else ""

    def machine_readable(self) -> dict[str, Any]:
        """Keep the parts."""
        row: Drift = self._value
        return {"attribute": row.attribute or None, "wanted": row.wanted, "found": row.found}


class Changes(FormattableColumn[Any]):
    """What is another: old → new."""

    def human_readable(self) -> str:
        """Write a line for each."""
        return "\n".join(map(_wrapped, self._value))

    def machine_readable(self) -> list[dict[str, Any]]:
        """Keep the parts."""
        changes: tuple[Change, ...] = self._value
        return [change._asdict() for change in changes]
