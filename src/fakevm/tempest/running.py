"""Runs tests in Tempest's own environment, and reads what comes of them one by one."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

from fakevm.errors import CommandFailed, LabFailed, TimedOut
from fakevm.lab import files
from fakevm.model.verdict import verdict

from . import parts
from .result import TempestResult

_MODULES = Path(__file__).parent.parent / "in_neutron"
# Seconds that a test may take, as Tempest's own jobs have it (tox.ini), and with what it sets up before its class.
_LONGEST_TEST = 1200
_PATIENCE = 2.0 * _LONGEST_TEST
# Seconds that processes have to end after each signal: at the first they remove what they made, if they can.
_GRACE = 5.0
_KEPT_WORDS = 2000


class Place(NamedTuple):
    """Where tests run: the words that enter it, and what a folder of the lab is called there."""

    enter: tuple[str, ...] = ()
    folder: Callable[[Path], Path] = lambda path: path


@contextlib.contextmanager
def folder(directory: Path, configuration: str) -> Iterator[Path]:
    """Make a folder for one run in the lab's own, with Tempest's configuration (it has a password); then remove it."""
    parent = directory / "tempest"
    try:
        parent.mkdir(mode=0o700, exist_ok=True)
        made = Path(tempfile.mkdtemp(dir=parent))
    except OSError as exc:
        raise LabFailed(f"cannot make a folder for Tempest in {directory}: {exc.strerror}") from exc
    try:
        files.write(made / "tempest.conf", configuration)
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)
        with contextlib.suppress(OSError):
            parent.rmdir()


class Run:
    """Tests that run, in ``workers`` processes; ``ended`` gets each as it ends, ``begun`` the test's id."""

    def __init__(self, venv: Path, at: Path, tests: Sequence[str], workers: int, place: Place) -> None:
        self._venv = venv
        self._at = at
        self._tests = tests
        self._workers = workers
        self._place = place
        self._begun: dict[str, float] = {}

    def results(self, begun: Callable[[str], None]) -> Iterator[TempestResult]:
        """Run them; gives what comes of each, as it comes.

        Raises CommandFailed: Tempest itself failed; TimedOut: none of its tests ends.
        """
        files.write(self._at / "tests.txt", "".join(f"{test}\n" for test in self._tests))
        seen = self._place.folder(self._at)
        command = [*self._place.enter, *_python(self._venv), "run", str(seen), str(self._workers)]
        left = parts.Unended(self._tests)
        with (self._at / "said.txt").open("w+b") as said, _running(command, self._at, seen, said) as process:
            for event in _events(process, self._last):
                if "begun" in event:
                    self._begun[event["begun"]] = time.time()
                    begun(event["begun"])
                else:
                    self._begun.pop(event["test"], None)
                    yield from left.of(event)
            if status := process.wait():
                raise CommandFailed(f"Tempest ended with status {status}: {_words(said)}")
        yield from left.lost()

    def _last(self) -> str:
        """Say what runs."""
        return ", ".join(self._begun) or "none has begun"


def _python(venv: Path) -> list[str]:
    return [str(venv / "bin/python"), "-m", "fakevm_tempest"]


def environment(seen: Path) -> dict[str, str]:
    """Give the variables of Tempest's processes: nothing of the caller's cloud, proxies or Python."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL") if name in os.environ}
    return {
        **kept,
        "HOME": str(seen),
        "TMPDIR": str(seen),
        "PYTHONPATH": str(_MODULES),
        "PYTHONWARNINGS": "ignore",
        "PYTHONDONTWRITEBYTECODE": "1",
        "TEMPEST_CONFIG_DIR": str(seen),
        "OS_LOG_CAPTURE": "1",
        "OS_STDOUT_CAPTURE": "1",
        "OS_STDERR_CAPTURE": "1",
        "OS_TEST_TIMEOUT": str(_LONGEST_TEST),
    }


@contextlib.contextmanager
def _running(command: Sequence[str], at: Path, seen: Path, said: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command in a group of its own, which is ended with it."""
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said, cwd=at, env=environment(seen),
        process_group=0,
    )  # fmt: skip
    try:
        yield process
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process, then whatever of its group has outlived it."""
    assert process.stdout is not None
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        if process.poll() is None:
            _signal(process, signum)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_GRACE)
    _signal(process, signal.SIGKILL)
    process.stdout.close()


def _signal(process: subprocess.Popen[bytes], signum: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signum)


def _events(process: subprocess.Popen[bytes], last: Callable[[], str]) -> Iterator[dict[str, Any]]:
    """Read lines of JSON until their writer ends. Raises TimedOut when none comes for long."""
    assert process.stdout is not None
    pipe, rest = process.stdout.fileno(), b""
    while True:
        if not select.select([pipe], [], [], _PATIENCE)[0]:
            raise TimedOut(f"no test of Tempest's ended within {_PATIENCE:.0f} s; last seen: {last()}")
        read = os.read(pipe, 65536)
        if not read:
            return
        *lines, rest = (rest + read).split(b"\n")
        for line in lines:
            yield json.loads(line)


def _words(said: IO[bytes]) -> str:
    said.seek(0)
    text = said.read().decode(errors="replace").strip()
    return verdict(text) or text[-_KEPT_WORDS:] or "it said nothing"


def listed(venv: Path, at: Path) -> list[str]:
    """List all tests there are, by their ids. Raises CommandFailed, TimedOut."""
    with (at / "said.txt").open("w+b") as said:
        with _running([*_python(venv), "list", str(at)], at, at, said) as process:
            found = list(_events(process, lambda: "they are being listed"))
            status = process.wait()
        if status or not found:
            raise CommandFailed(f"Tempest's tests cannot be listed: {_words(said)}")
    return sorted(str(test) for test in found)
