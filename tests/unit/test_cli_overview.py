"""Where a newcomer begins: ``fakevm`` alone, words of other tools, examples, what follows ``lab up``."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from typing import Any

import pytest

from fakevm.cli.app import App, Commands
from fakevm.cli.foreign import FOREIGN, command_of
from fakevm.cli.lab import next_commands
from fakevm.cli.overview import BEGIN, GROUPS, SEE, group, grouped, overview
from fakevm.errors import NotFound
from fakevm.lab import registry
from fakevm.model.labfile import LabFile

COMMANDS = [name for name in Commands("fakevm.cli").commands if name != "help"]


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def ran(*words: str) -> tuple[int, str]:
    app = App()
    app.stdout, app.stderr = io.StringIO(), io.StringIO()
    try:
        status = app.run(list(words))
    except SystemExit as ended:  # by which cliff ends after --help
        status = int(ended.code or 0)
    return status, app.stdout.getvalue()


def help_of(command: str) -> str:
    app = App()
    factory, name, _ = app.command_manager.find_command(command.split())
    return str(factory(app, None).get_parser(f"fakevm {name}").format_help())


def test_fakevm_alone_shows_groups_and_where_to_begin() -> None:
    status, text = ran()
    assert status == 0
    assert text == overview(COMMANDS)
    assert len(text.splitlines()) < 30
    assert max(map(len, text.splitlines())) <= 80
    for line, _ in (*BEGIN, *SEE):
        assert line in text
    assert ran("help") == ran() and ran("--help")[1].startswith(text)
    assert "--lab NAME" in ran("--help")[1]


def test_every_command_is_in_one_group_and_in_the_overview() -> None:
    found = grouped(COMMANDS)
    assert sorted(name for members in found.values() for name in members) == sorted(COMMANDS)
    assert "others" not in found, "a new command of ours belongs into a group"
    text = overview(COMMANDS)
    for command in COMMANDS:
        assert re.search(rf"(?<![\w-]){command.split()[-1]}(?![\w-])", text), command


def test_a_group_and_a_family_have_a_line_for_each_command() -> None:
    assert group("hosts", COMMANDS)[0] == "host list"
    assert set(group("lab", COMMANDS)) == {name for name in COMMANDS if name.startswith("lab ")}
    assert set(GROUPS) <= set(grouped(COMMANDS))
    status, text = ran("help", "guests")
    assert status == 0
    lines = [line.strip() for line in text.splitlines() if not line.startswith(" " * 10)]
    assert all(line.startswith(name) for line, name in zip(lines, group("guests", COMMANDS), strict=True))


@pytest.mark.parametrize("word", sorted(FOREIGN))
def test_a_word_of_another_tool_leads_to_a_command_of_ours(word: str) -> None:
    assert word not in COMMANDS
    named = [command_of(line, COMMANDS) for line, _ in FOREIGN[word]]
    assert all(named), f"no such command: {FOREIGN[word]}"
    with pytest.raises(NotFound) as caught:
        ran(word)
    assert any(f"`fakevm {line}`" in caught.value.hint for line, _ in FOREIGN[word])


def test_it_leads_there_also_within_a_family_and_mistypings_to_what_is_near() -> None:
    for words, hint in (
        ("lab console", "exec -t GUEST"),
        ("host reboot", "guest reboot GUEST"),
        ("lab upp", "mean lab up?"),
    ):
        with pytest.raises(NotFound) as caught:
            ran(*words.split())
        assert hint in caught.value.hint


@pytest.mark.parametrize("command", COMMANDS)
def test_examples_come_before_formatter_options_and_help_fits(command: str) -> None:
    text = help_of(command)
    assert "examples:\n  " in text
    at = text.find("output formatters:")
    assert at < 0 or text.index("examples:") < at
    prose = text[text.index("\n\n") : text.index("examples:")]
    assert max(map(len, prose.splitlines())) <= 80


def test_the_examples_are_commands_of_ours() -> None:
    for command in COMMANDS:
        examples = help_of(command).split("examples:\n")[1].split("\n\n")[0].splitlines()
        assert any(re.search(rf"fakevm (--\S+ \S+ )?{command}\b", line) for line in examples), command


@pytest.mark.parametrize(
    ("lab", "others", "lines"),
    [
        ({}, [], ['eval "$(fakevm lab env)"', "openstack network create private"]),
        ({"networks": {"n": {}}, "guests": {"web1": {"ports": ["n"]}}}, [], ["lab env)", "fakevm exec web1 -- ip"]),
        ({"name": "two"}, ["one"], ['eval "$(fakevm lab env two)"', "openstack network create"]),
    ],
)
def test_after_lab_up_the_next_two_commands_are_told(
    lab: dict[str, Any], others: list[str], lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = LabFile.model_validate(lab)
    monkeypatch.setattr(registry, "names", lambda: [*others, made.name])
    told = next_commands(made).splitlines()
    assert told[0] == "Next:"
    assert len(told) == 3
    for line, wanted in zip(told[1:], lines, strict=True):
        assert wanted in line
        assert len(line) <= 80


def test_help_is_quick() -> None:
    """It imports no command."""
    probe = (
        "import sys\nfrom fakevm.cli.main import main\nmain([])\n"
        "print(sorted(name for name in sys.modules if name in ('fakevm.cli.port', 'fakevm.cli.lab', 'pydantic')))\n"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
