"""Commands of labs in tests: forks, which are to be what new processes are."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fakevm.testing import forks
from fakevm.testing.labs import BIN, FAKEVM, Labs

LINES = ("lab list", "show nobody", "nonsense", "lab validate file.yaml", "ssh x", "--version")
CLIENTS = ("--version", "network nonsense", "network list")


@pytest.fixture(scope="module")
def served() -> Iterator[forks.Forks]:
    made = forks.Forks(os.environ, Path("/"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def client() -> Iterator[forks.Forks]:
    made = forks.Forks(os.environ, Path("/"), "openstack")
    yield made
    made.close()


@pytest.fixture
def options(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "file.yaml").write_text("hosts: {host1: {roles: [cook]}}\n")
    return {"environment": {**os.environ, "FAKEVM_LABS": str(tmp_path / "labs")}, "cwd": tmp_path, "given": ""}


@pytest.mark.parametrize("line", LINES)
def test_a_fork_says_and_ends_as_a_new_process(served: forks.Forks, options: dict[str, Any], line: str) -> None:
    words = line.split()
    done = served.done([FAKEVM, *words], timeout=120, **options)
    new = subprocess.run(
        [FAKEVM, *words], env=options["environment"], cwd=options["cwd"], stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done
    assert (done.args, done.returncode, done.stdout, done.stderr) == (new.args, new.returncode, new.stdout, new.stderr)


@pytest.mark.parametrize("line", CLIENTS)
def test_the_stock_client_says_and_ends_as_a_new_process(
    client: forks.Forks, options: dict[str, Any], line: str
) -> None:
    elsewhere = {"OS_AUTH_TYPE": "admin_token", "OS_ENDPOINT": "http://127.0.0.1:2", "OS_TOKEN": "secret"}
    options["environment"] |= elsewhere
    argv = [str(BIN / "openstack"), *line.split()]
    done = client.done(argv, timeout=120, **options)
    new = subprocess.run(
        argv, env=options["environment"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert done
    assert (done.args, done.returncode, done.stdout, done.stderr) == (new.args, new.returncode, new.stdout, new.stderr)
    assert line != "network list" or "127.0.0.1:2" in done.stderr


def test_who_starts_python_otherwise_or_meanwhile_has_a_new_process(
    served: forks.Forks, options: dict[str, Any]
) -> None:
    other = options | {"environment": {**options["environment"], "PYTHONPATH": "/elsewhere"}}
    assert served.done([FAKEVM, "lab", "list"], timeout=120, **other) is None
    with served._busy:
        assert served.done([FAKEVM, "lab", "list"], timeout=120, **options) is None
    assert served.done([FAKEVM, "lab", "list"], timeout=120, **options)


def test_what_takes_too_long_is_killed(served: forks.Forks, options: dict[str, Any]) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        served.done([FAKEVM, "lab", "list"], timeout=0, **options)


def test_words_and_folders_are_paths_as_of_subprocess(
    tmp_path: Path, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path.parent)
    labs = Labs(tmp_path)
    line: tuple[Any, ...] = ("lab", "validate", Path("file.yaml"))
    done = labs.fakevm(*line, cwd=tmp_path.name)
    new = labs.fakevm(*line, cwd=tmp_path.name, stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stdout, done.stderr) == (new.returncode, new.stdout, new.stderr)
    assert "cook" in done.stderr
    assert "cook" in labs.fakevm("lab", "validate", str(tmp_path / "file.yaml"), cwd=None, input=None).stderr


def test_the_answer_of_an_interrupted_command_is_not_that_of_the_next(
    options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupted:
        def readline(self) -> str:
            raise KeyboardInterrupt

    made = forks.Forks(os.environ, Path("/"))
    try:
        with monkeypatch.context() as patched:
            patched.setattr(made._process, "stdout", Interrupted())
            with pytest.raises(KeyboardInterrupt):
                made.done([FAKEVM, "nonsense"], timeout=120, **options)
        assert made.done([FAKEVM, "lab", "list"], timeout=120, **options) is None
    finally:
        made.close()


def test_a_command_that_nobody_waits_for_any_more_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_seconds: float) -> None:
        raise KeyboardInterrupt

    with subprocess.Popen(["sleep", "1000"]) as sleeper:
        with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
            patched.setattr("time.sleep", interrupt)
            forks._awaited(sleeper.pid, 60)
        assert sleeper.wait(10) == -signal.SIGKILL
