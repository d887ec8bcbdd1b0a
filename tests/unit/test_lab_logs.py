"""What is said of a program that has ended: its last words, or what ended it."""

from __future__ import annotations

from pathlib import Path

import pytest

from fakevm.errors import CommandFailed
from fakevm.lab import database_template, logs, neutron, sandbox, upgrade
from fakevm.model.lab import LabRecord
from fakevm.release import options

INFO = "2026-11-30 17:24:52.328 227 INFO neutron.manager [-] Loading Plugin: qos\n"
CRITICAL = (
    "2026-11-30 17:24:50.105 220 CRITICAL neutron [None req-7e76 - - - - - -] Unhandled error: mine.Broken: so it is\n"
    "2026-11-30 17:24:50.105 220 ERROR neutron Traceback (most recent call last):\n"
    '2026-11-30 17:24:50.105 220 ERROR neutron   File "mine.py", line 1, in <module>\n'
    "2026-11-30 17:24:50.105 220 ERROR neutron mine.Broken: so it is\n"
)
RAISED = 'Traceback (most recent call last):\n  File "mine.py", line 1, in <module>\n    1 / 0\nZeroDivisionError: no\n'
ERROR = "2026-11-30 17:24:50.105 220 ERROR mine.agent [None req-1 - - - - - -] please set static_nat\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (INFO + CRITICAL + 9 * INFO, "Unhandled error: mine.Broken: so it is"),
        (INFO + RAISED + 9 * INFO, "ZeroDivisionError: no"),
        (INFO + ERROR + 9 * INFO, "please set static_nat"),
        ("one\ntwo\nthree\nfour\nfive\nsix\n", "two\nthree\nfour\nfive\nsix"),
        ("", ""),
    ],
)
def test_what_ended_a_program_is_told_though_the_next_one_has_begun(tmp_path: Path, text: str, words: str) -> None:
    record = toy(tmp_path)
    (tmp_path / "log/mine.log").write_text(text)
    assert logs.last_words(record, "mine") == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Running upgrade.\n" + RAISED + "(Background on this error)\n", "ZeroDivisionError: no"),
        (INFO + CRITICAL, "Unhandled error: mine.Broken: so it is"),
        ("no such revision\n", "no such revision"),
    ],
)
def test_a_migration_that_fails_is_told_by_its_exception_and_its_log_has_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, words: str
) -> None:
    record = toy(tmp_path)
    monkeypatch.setattr(sandbox, "enter_lab", lambda _: [])
    (tmp_path / "said").write_text(text)
    command = ["sh", "-c", f"cat {tmp_path}/said >&2; exit 1"]
    with pytest.raises(CommandFailed) as caught:
        database_template.run(record, command, "making the schema")
    assert caught.value.what == f"making the schema failed: {words}"
    assert (tmp_path / "log/database.log").read_text() == text


def test_so_is_one_of_another_release_and_what_that_means(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "enter_lab", lambda _: [])
    monkeypatch.setattr(neutron, "migrate_command", lambda _: ["sh", "-c", f"echo '{RAISED}' >&2; exit 1"])
    with pytest.raises(CommandFailed) as caught:
        upgrade._migrate(toy(tmp_path), Path("/cache/29.0.0/venv"))
    assert caught.value.what == "migrating the database to 29.0.0 failed: ZeroDivisionError: no"
    assert "The server is left stopped. See" in caught.value.hint


def test_and_a_module_that_breaks_while_its_options_are_listed(tmp_path: Path) -> None:
    python = tmp_path / "29.0.0/venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(f"#!/bin/sh\necho '{RAISED}' >&2; exit 1\n")
    python.chmod(0o755)
    with pytest.raises(CommandFailed) as caught:
        options._ask(tmp_path / "29.0.0/venv")
    assert caught.value.what == "listing the options of Neutron 29.0.0 failed: ZeroDivisionError: no"


def toy(directory: Path) -> LabRecord:
    (directory / "log").mkdir()
    return LabRecord(
        name="toy", directory=directory, state="up", pid=1, endpoint="", transport_url="", release="",
        backend="", datapath="", hosts=(),
    )  # fmt: skip
