"""``fakevm lab down --all``."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from fakevm.cli.app import App
from fakevm.cli.lab_down import LabDown
from fakevm.errors import FakevmError, Prerequisite
from fakevm.lab import ending


@pytest.fixture
def labs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FAKEVM_LABS", str(tmp_path))
    for name in ("first", "others", "second"):
        (tmp_path / name).mkdir()
    return tmp_path


def end_all() -> int:
    app = App()
    app.options = argparse.Namespace()
    command = LabDown(app, None)
    return command.run(command.get_parser("lab down").parse_args(["--all"]))


@pytest.mark.parametrize("problem", [Prerequisite("lab 'others' is another user's"), PermissionError(13, "refused")])
def test_a_lab_that_cannot_be_ended_keeps_no_other_from_its_end(
    labs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], problem: Exception
) -> None:
    down = ending.down

    def refuse(name: str) -> None:
        if name == "others":
            raise problem
        down(name)

    monkeypatch.setattr(ending, "down", refuse)
    status = problem.exit_status if isinstance(problem, FakevmError) else 1
    assert end_all() == status != 0
    assert [path.name for path in labs.iterdir()] == ["others"]
    said = capsys.readouterr().err
    assert ("another user's" if isinstance(problem, FakevmError) else "refused") in said


def test_a_lab_that_another_command_has_just_ended_is_no_failure(labs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    down = ending.down

    def late(name: str) -> None:
        down(name)
        down(name)

    monkeypatch.setattr(ending, "down", late)
    assert end_all() == 0
    assert list(labs.iterdir()) == []
