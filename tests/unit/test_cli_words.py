"""What of a command line is ours, and what is a guest's."""

from __future__ import annotations

import pytest

from fakevm.cli.words import command_at, split_exec, verbatim_at
from fakevm.errors import InvalidInput


@pytest.mark.parametrize(
    ("line", "own", "command"),
    [
        ("VIF ip addr", "VIF", ["ip", "addr"]),
        ("VIF -- ip -4 addr", "VIF", ["ip", "-4", "addr"]),
        ("VIF ping -c1 10.0.0.3", "VIF", ["ping", "-c1", "10.0.0.3"]),
        ("--host h VIF ls --host x -- y", "--host h VIF", ["ls", "--host", "x", "--", "y"]),
        ("VIF ls --host h", "VIF --host h", ["ls"]),
        ("VIF ls -l --host=h", "VIF --host=h", ["ls", "-l"]),
        ("VIF --timeout 5 sleep 9", "VIF --timeout 5", ["sleep", "9"]),
        ("VIF -- mysql --host h", "VIF", ["mysql", "--host", "h"]),
        ("-t VIF bash", "-t VIF", ["bash"]),
        ("VIF -t bash -t", "VIF -t", ["bash", "-t"]),
        ("VIF --debug", "VIF", ["--debug"]),
        ("VIF --host h", "VIF --host h", []),
        ("VIF", "VIF", []),
    ],
)
def test_the_guests_command_is_told_from_our_options(line: str, own: str, command: list[str]) -> None:
    split = split_exec(line.split())
    assert split.own == tuple(own.split())
    assert split.command == tuple(command)


def test_one_quoted_word_is_a_command_line_as_in_the_original() -> None:
    assert split_exec(["--host", "h", "VIF", "ping -c1 'a b'"]).command == ("ping", "-c1", "a b")
    assert split_exec(["VIF", "ip link", "--host", "h"]).own == ("VIF", "--host", "h")


def test_an_unclosed_quote_is_refused() -> None:
    with pytest.raises(InvalidInput, match="cannot be split"):
        split_exec(["VIF", "echo 'a"])


def test_global_options_end_where_the_guests_command_begins() -> None:
    words = ["--lab", "x", "exec", "VIF", "ls", "--debug"]
    assert command_at(words) == 2
    assert verbatim_at(words) == 3
    assert verbatim_at(["create-port", "n", "i", "--lab", "x"]) == 5
    assert verbatim_at(["lab", "exec", "h", "--", "ls", "-h"]) == 3
