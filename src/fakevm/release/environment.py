"""Virtual environments: made with the machine's own Python, filled by pip, every word of it logged."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import IO

from fakevm import errors

Python = tuple[int, int]
OLDEST_PYTHON: Python = (3, 11)
HOW_TO_GET_PYTHON = "On Debian: apt-get install python3 python3-venv"
_VERSION = re.compile(r"^version = (3)\.(\d+)", re.MULTILINE)
_NAME = re.compile(r"python3\.(\d+)")
_NOTHING: Mapping[str, str] = MappingProxyType({})
_ATTEMPTS = 3
_PAUSE = 5.0
_LAST_LINES = 15
# How often a command that runs is watched, and how long one that is to end may take (seconds).
_PULSE = 0.5
_GRACE = 5.0


def _fits(python: str, newest: Python | None) -> bool:
    probe = f"import sys; sys.exit(not {OLDEST_PYTHON!r} <= sys.version_info[:2] <= {newest or (4, 0)!r})"
    try:
        return subprocess.run([python, "-c", probe], capture_output=True, timeout=60, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def pythons(newest: Python | None = None) -> Iterator[str]:
    """Find the interpreters that will do for an environment, of version ``newest`` at most, best first.

    The distribution's own comes first: what PATH finds may be a shim, or lie in a home that is not for all.
    """
    newer = (f"python3.{minor}" for minor in range(15, OLDEST_PYTHON[1] - 1, -1))
    found = (shutil.which(name) for name in ("python3", *newer))
    for python in ("/usr/bin/python3", sys.executable, *filter(None, found)):
        if _fits(python, newest):
            yield python


def find_python() -> str:
    """Find an interpreter for an environment. Raises Prerequisite."""
    for python in pythons():
        return python
    raise errors.Prerequisite("no Python of version 3.11 or newer was found", hint=HOW_TO_GET_PYTHON)


def python_of(directory: Path) -> Python | None:
    """Tell the Python that an environment was made with; None when there is none, or its Python has gone.

    A new version of the distribution puts its own Python where an environment's link leads, and that one looks for
    packages in another folder.
    """
    try:
        written = _VERSION.search((directory / "pyvenv.cfg").read_text())
    except OSError:
        return None
    if written is None:
        return None
    led_to = _NAME.fullmatch((directory / "bin/python").resolve().name)
    if led_to and led_to[1] != written[2]:
        return None
    return int(written[1]), int(written[2])


def _clean_environment(more: Mapping[str, str]) -> dict[str, str]:
    """Keep what would let packages of elsewhere be seen out of an environment being made."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    return {**kept, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1", **more}


def last_lines(log: Path, count: int = _LAST_LINES) -> str:
    """Give the end of a log."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-count:])


def run(
    command: Sequence[str | Path],
    log: Path,
    *,
    doing: str,
    attempts: int = 1,
    watch: Callable[[], None] | None = None,
    more: Mapping[str, str] = _NOTHING,
) -> None:
    """Run a command, its output appended to ``log``; again, up to ``attempts`` times, when it fails.

    What it makes is readable by everyone: an environment made by root serves all. ``watch`` is called now and then
    while it runs, ``more`` is added to its environment. Raises CommandFailed.
    """
    with log.open("a") as output:
        for attempt in range(1, attempts + 1):
            print("$", *command, file=output, flush=True)
            status = _run_once(command, output, watch or _look_away, more)
            if status == 0:
                return
            if attempt < attempts:
                time.sleep(_PAUSE * attempt)
    raise errors.CommandFailed(
        f"{doing} failed with exit status {status}; the last words of {log}:\n{last_lines(log)}",
        hint="Once the cause is gone, run the same again: what is there already is kept.",
    )


def _run_once(
    command: Sequence[str | Path], output: IO[str], watch: Callable[[], None], more: Mapping[str, str]
) -> int:
    # In a group of its own, so that what it starts (pip, its compilers) can be ended with it.
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, umask=0o022, process_group=0,
        env=_clean_environment(more),
    )  # fmt: skip
    try:
        while True:
            watch()
            with contextlib.suppress(subprocess.TimeoutExpired):
                return process.wait(_PULSE)
    except BaseException:
        # At the first of them pip removes its temporary folders.
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
                os.killpg(process.pid, signum)
                process.wait(_GRACE)
        raise


def _look_away() -> None:
    """Watch nothing."""


def make(directory: Path, log: Path, python: str, *options: str) -> Python:
    """Make an empty environment with an interpreter, in the place of what may be there; tell its version.

    ``options`` are those of Python's own ``venv``. Raises CommandFailed.
    """
    shutil.rmtree(directory, ignore_errors=True)
    doing = f"Making the virtual environment {directory}"
    run([python, "-m", "venv", *options, directory], log, doing=doing)
    made = python_of(directory)
    if made is None:
        raise errors.CommandFailed(
            f"{doing} with {python} failed: {directory}/pyvenv.cfg names no Python that is there"
        )
    return made


def pip_install(
    directory: Path,
    arguments: Iterable[str | Path],
    log: Path,
    watch: Callable[[], None] | None = None,
    *,
    attempts: int = _ATTEMPTS,
    more: Mapping[str, str] = _NOTHING,
) -> None:
    """Run ``pip install`` in an environment; a network that stumbles is tried again. Raises CommandFailed.

    ``more`` is added to the environment variables of pip and what it builds with.
    """
    # An old pip gives up when a download breaks off half-way. Running it again is cheap: it has a cache.
    pip: list[str | Path] = [directory / "bin/python", "-m", "pip"]
    install = [*pip, "install", *arguments]
    run(install, log, doing=f"Installing packages in {directory}", attempts=attempts, watch=watch, more=more)
    run([*pip, "check"], log, doing=f"Checking the packages in {directory}")


def collected(log: Path) -> int:
    """Count the packages that pip has fetched so far, by its log."""
    return len(set(re.findall(r"^Collecting (\S+)", log.read_text(errors="replace"), re.MULTILINE)))
