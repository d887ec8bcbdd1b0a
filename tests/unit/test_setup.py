"""The set-up: its decisions, and that it takes the fast way."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fakevm import errors
from fakevm.linux import lock

import development
import packages
import steps

ROOT = Path(__file__).parents[2]
debian = pytest.mark.skipif(
    shutil.which("dpkg-query") is None, reason="this is not Debian: there are no packages to ask for"
)


@debian
def test_only_what_is_not_installed_is_missing() -> None:
    assert packages.missing(["dpkg", "no-such-package", "base-files"]) == ["no-such-package"]


@debian
def test_who_is_not_root_is_told_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "wanted", lambda: ["dpkg", "no-such-package"])
    monkeypatch.setattr(packages, "_privilege", lambda: None)
    with pytest.raises(errors.Prerequisite, match=r"apt-get install .*no-such-package"):
        packages.install()


@debian
def test_who_is_not_root_goes_on_when_nothing_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "wanted", lambda: ["dpkg"])
    monkeypatch.setattr(packages, "_privilege", lambda: None)
    packages.install()


def test_a_changed_project_file_makes_the_environment_stale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pyproject.toml").write_text("a")
    (tmp_path / "constraints").write_text("b")
    monkeypatch.setattr(development, "_CHECKOUT", tmp_path)
    monkeypatch.setattr(development, "_CONSTRAINTS", tmp_path / "constraints")
    first = development._fingerprint()
    assert development._fingerprint() == first
    (tmp_path / "constraints").write_text("c")
    assert development._fingerprint() != first


def test_an_environment_of_another_python_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python").symlink_to(sys.executable)
    (tmp_path / "complete").write_text(development._fingerprint())
    monkeypatch.setattr(development, "_VENV", tmp_path)
    monkeypatch.setattr(development, "_STAMP", tmp_path / "complete")
    config = tmp_path / "pyvenv.cfg"
    config.write_text(f"version = {sys.version_info[0]}.{sys.version_info[1]}.0\ncommand = venv {tmp_path}\n")
    assert development._is_usable()
    config.write_text(f"version = 3.9.2\ncommand = venv {tmp_path}\n")
    assert not development._is_usable()


def test_a_step_says_how_it_ended(capsys: pytest.CaptureFixture[str]) -> None:
    with steps.step("Something") as doing:
        doing.note("a detail")
    with pytest.raises(ValueError, match="no"), steps.step("Another thing"):
        raise ValueError("no")
    said = capsys.readouterr().out
    assert "✓ Something: 0.0 s" in said
    assert "a detail" in said
    assert "✗ Another thing: failed" in said


def test_a_step_shows_its_own_progress_and_nothing_older(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "LOG", tmp_path / "log")
    steps.LOG.write_text("No broken requirements found.\n")
    with steps.step("Something") as doing:
        assert doing.how_far() == ""
        with steps.LOG.open("a") as log:
            log.write("Collecting one\rCollecting two\n\n")
        assert doing.how_far() == "Collecting two"
        doing.seen("3 of 92 packages fetched")
        assert doing.how_far() == "3 of 92 packages fetched"


def test_an_unknown_part_is_refused() -> None:
    done = subprocess.run(
        [sys.executable, "setup", "everything"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "packages fakevm neutron" in done.stderr


def test_two_at_once_wait_for_one_another() -> None:
    with lock.held(ROOT / "build", 60):
        second = subprocess.Popen(
            [sys.executable, "setup", "fakevm"], cwd=ROOT, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        assert second.stdout
        said = iter(second.stdout.readline, "")
        assert any("Another one is under way" in line for line in said)
        assert second.poll() is None
    assert any("all is there" in line for line in said)
    assert second.wait(60) == 0


def test_set_up_that_has_been_done_takes_no_time() -> None:
    began = time.monotonic()
    done = subprocess.run(["make", "setup"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all is there" in done.stdout
    # Installing anything takes longer.
    assert time.monotonic() - began < 10
