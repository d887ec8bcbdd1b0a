"""Every command of the table, given what a script's mistakes give it: empty words, bytes, closed and full streams."""

from __future__ import annotations

import argparse
import inspect
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from fakevm.cli.app import App
from fakevm.testing.forks import CLOSED, Ended, Forks

COMMANDS = sorted(name for name, _ in App().command_manager)
BYTES = os.fsdecode(b"\xff")
FULL = "/dev/full"
SAMPLES = {"FILE": "none.yaml", "HOST": "compute1", "SRC": "compute1", "DEST": "compute2", "N": "1", "SECONDS": "1"}


@cache
def parser_of(command: str) -> argparse.ArgumentParser:
    app = App()
    factory, name, _ = app.command_manager.find_command(command.split())
    named = {"cmd_name": name} if "cmd_name" in inspect.signature(factory.__init__).parameters else {}
    parser: argparse.ArgumentParser = factory(app, None, **named).get_parser(command)
    return parser


def arguments(command: str) -> tuple[argparse.Action, ...]:
    """List the arguments of a command that take words."""
    return tuple(action for action in parser_of(command)._actions if action.nargs != 0)


def sample(action: argparse.Action) -> str:
    return next(iter(action.choices)) if action.choices else SAMPLES.get(str(action.metavar), "x")


def words(command: str, bad: argparse.Action | None = None, word: str = "") -> list[str]:
    """Give a command line: all positionals, the options that must be there, and ``word`` for one of them."""
    found, rest = command.split(), []
    for action in arguments(command):
        value = word if action is bad else sample(action)
        if action.nargs == argparse.REMAINDER:
            rest = ["--", value]
        elif action.option_strings and (action is bad or action.required):
            found += [action.option_strings[-1], value]
        elif not action.option_strings:
            found.append(value)
    return found + (rest or (["--", "true"] if command == "exec" else []))


@pytest.fixture(scope="module")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    """Run commands where there is no lab, no host and no cloud."""
    folder = tmp_path_factory.mktemp("every")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("OS_", "FAKEVM_"))}
    own = {f"FAKEVM_{name}": str(folder / name.lower()) for name in ("LABS", "HOSTS", "CACHE")}
    made = Forks(clean | own, folder)
    yield made
    made.close()


def no_fault(ended: Ended) -> Ended:
    for said in ("Traceback", "fault of FakeVM's own", "Exception ignored"):
        assert said not in ended.stderr
    assert ended.status < 128, ended
    return ended


CASES = [(command, action) for command in COMMANDS for action in arguments(command)]


def cases(*metavars: str) -> pytest.MarkDecorator:
    """Run a test for each argument of each command, or for those of a kind."""
    chosen = [(command, action) for command, action in CASES if not metavars or action.metavar in metavars]
    names = [
        f"{command}:{(action.option_strings or [action.metavar or action.dest])[-1]}" for command, action in chosen
    ]
    return pytest.mark.parametrize(("command", "action"), chosen, ids=names)


def refusal(command: str, line: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Let the command's own parser refuse a command line; returns what it says."""
    with pytest.raises(SystemExit) as ended:
        parser_of(command).parse_args(line[len(command.split()) :])
    assert ended.value.code == 2
    return capsys.readouterr().err


@cases()
def test_an_empty_word_is_refused_for_every_argument(
    command: str, action: argparse.Action, capsys: pytest.CaptureFixture[str]
) -> None:
    if action.nargs != argparse.REMAINDER:
        for word in ("", " "):
            assert "an empty word" in refusal(command, words(command, action, word), capsys)


@cases()
def test_bytes_that_are_no_text_are_taken_for_files_and_commands_only(
    command: str, action: argparse.Action, capsys: pytest.CaptureFixture[str], forks: Forks
) -> None:
    line = words(command, action, BYTES)
    if action.nargs == argparse.REMAINDER or action.type is Path:
        no_fault(forks.run(*line))
    else:
        assert "not text in UTF-8" in refusal(command, line, capsys)


@cases("HOST", "SRC", "DEST")
def test_a_host_is_no_pattern_and_no_path(
    command: str, action: argparse.Action, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("*", "a**b", "/x", "..", "a/b"):
        assert "is not a host's name" in refusal(command, words(command, action, name), capsys)


@cases("SECONDS", "N", "PORT")
def test_numbers_have_limits(command: str, action: argparse.Action, capsys: pytest.CaptureFixture[str]) -> None:
    begin = len(command.split())
    for number in ("nan", "inf", "-inf", "1e300", "-1", "²", "x", "9" * 5000):
        line = words(command)
        line[begin:begin] = [f"{action.option_strings[-1]}={number}"]
        said = refusal(command, line, capsys)
        assert "argument " in said
        assert "invalid" not in said


@pytest.mark.parametrize("command", COMMANDS)
def test_a_real_command_line_is_refused_as_its_parser_refuses_it(forks: Forks, command: str) -> None:
    for action in arguments(command)[:1]:
        assert no_fault(forks.run(*words(command, action, ""))).status == 2


@pytest.mark.parametrize("number", ["0", "1001", "100000", "100000000", "9" * 5000])
def test_too_many_ports_are_refused_at_once(forks: Forks, number: str) -> None:
    ended = no_fault(forks.run("create-port", "net", "vm", "--host", "compute1", "--count", number, timeout=30))
    assert ended.status == 2
    assert "is not a number of ports from 1 to 1000" in ended.stderr


@pytest.mark.parametrize("line", ["check --junit", "migrate h vm --report"])
def test_a_file_beside_the_output_is_refused_before_anything_is_done(forks: Forks, line: str) -> None:
    ended = no_fault(forks.run(*line.split(), "/nowhere/made.html"))
    assert (ended.status, "cannot write /nowhere/made.html: there is no folder /nowhere" in ended.stderr) == (2, True)


@pytest.mark.parametrize("command", COMMANDS)
def test_output_that_cannot_be_written_is_told(forks: Forks, command: str) -> None:
    """With what is required: as it ends when all can be written, if it writes nothing."""
    line = words(command)
    written = no_fault(forks.run(*line))
    ended = no_fault(forks.run(*line, stdout=FULL))
    if written.stdout:
        assert ended.status == 1
        assert ended.stderr.count("standard output cannot be written: No space left on device") == 1
    else:
        assert (ended.status, ended.stderr) == (written.status, written.stderr)
    unheard = forks.run(*line, stderr=FULL)
    assert (unheard.status, unheard.stdout == "") == (written.status, written.stdout == "")
    assert forks.run(*line, stdout=CLOSED, stderr=CLOSED).status == (1 if written.stdout else written.status)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_that_cannot_be_written_is_told(forks: Forks, command: str) -> None:
    ended = no_fault(forks.run(*command.split(), "--help", stdout=FULL))
    assert ended.status == 1
    assert "standard output cannot be written: No space left on device" in ended.stderr


@pytest.mark.parametrize(("streams", "status"), [(">&-", 1), (">/dev/full", 1), (">&- 2>&-", 1), ("2>&-", 0)])
def test_a_new_python_ends_as_a_fork_does(streams: str, status: int) -> None:
    run = f'"{sys.executable}" -m fakevm.cli.main lab schema {streams}'
    done = subprocess.run(["sh", "-c", run], capture_output=True, text=True, check=False)
    assert done.returncode == status
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


def test_a_variable_that_is_set_but_empty_is_refused() -> None:
    for name, line in (("FAKEVM_LAB", "lab down"), ("FAKEVM_LABS", "lab list"), ("FAKEVM_HOSTS", "exec 1f true")):
        run = [sys.executable, "-m", "fakevm.cli.main", *line.split()]
        done = subprocess.run(run, env={**os.environ, name: ""}, capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert f"{name} is set, but empty" in done.stderr


def test_global_options(forks: Forks) -> None:
    for option in ("--lab", "--config-file", "--os-cloud", "--log-file"):
        for word in ("", BYTES):
            assert no_fault(forks.run(option, word, "list")).status == 2
    assert "which command" in no_fault(forks.run("--lab", "x")).stderr
    assert "cannot write the log file" in no_fault(forks.run("--log-file", "/none/log", "lab", "list")).stderr
    assert no_fault(forks.run("--log-file", FULL, "lab", "list")).status == 0
    assert "there is no command 'nonsense'" in no_fault(forks.run("help", "nonsense")).stderr


def test_an_unknown_column_is_named(forks: Forks) -> None:
    ended = no_fault(forks.run("lab", "list", "-c", "name", "-c", "nmae"))
    assert ended.status == 2
    assert "there is no column 'nmae'\nThere are: name, state" in ended.stderr
