"""Commands that show one thing or several, in every format that cliff has."""

from __future__ import annotations

import argparse
import io
import json
from typing import Any

import pytest

from fakevm.cli.app import App
from fakevm.cli.command import ShowSome
from fakevm.errors import InvalidInput


class Count(ShowSome):
    """Shows numbers."""

    acted = False

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        """Count."""
        self.acted = True
        rows = [(n, f"n{n}") for n in range(parsed_args.count)]
        return ("number", "name"), rows if self.as_table(parsed_args) else rows[0]


def shown(words: str) -> tuple[Count, str]:
    """Run the command and give what it showed."""
    app = App()
    app.stdout = io.StringIO()
    app.options = argparse.Namespace()
    command = Count(app, None)
    parser = command.get_parser("count")
    parser.add_argument("--count", type=int, default=1)
    parsed = parser.parse_args(words.split())
    try:
        command.run(parsed)
    except InvalidInput:
        assert not command.acted
        raise
    return command, app.stdout.getvalue()


def test_one_is_shown_by_fields_and_several_as_a_table() -> None:
    assert json.loads(shown("-f json")[1]) == {"number": 0, "name": "n0"}
    assert json.loads(shown("-f json --count 2")[1]) == [{"number": 0, "name": "n0"}, {"number": 1, "name": "n1"}]
    assert shown("-f value --count 2 -c name")[1].split() == ["n0", "n1"]
    assert 'name="n0"' in shown("-f shell")[1]


def test_csv_is_a_table_also_of_one() -> None:
    assert shown("-f csv")[1].splitlines() == ['"number","name"', '0,"n0"']
    assert shown("-f csv --count 2 -c name")[1].splitlines() == ['"name"', '"n0"', '"n1"']


def test_a_format_that_does_not_fit_is_refused_before_anything_is_done() -> None:
    with pytest.raises(InvalidInput, match="shell cannot show several"):
        shown("-f shell --count 2")
