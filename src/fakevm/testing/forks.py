"""Many commands in little time: each runs in a real process, a fork of one that has imported the command line.

So a test can give each of hundreds of commands its own streams, closed or full, and see its exit status. A fork costs a
few hundredths of a second, where a new Python costs a second.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

CLOSED = ""
"""In the place of a stream's file: the stream is closed."""


class Ended(NamedTuple):
    """How a command ended: its exit status (that of a shell: 128 and more for a signal), and what it wrote."""

    status: int
    stdout: str
    stderr: str


class Forks:
    """The command line, in a process of its own that forks; to be closed."""

    def __init__(self, environment: Mapping[str, str], folder: Path) -> None:
        """Begin, with the commands' ``environment`` and working ``folder``."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "fakevm.testing.forks"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=dict(environment), cwd=folder,
        )  # fmt: skip

    def close(self) -> None:
        """End it."""
        self._process.communicate(timeout=60)

    def run(self, *words: str, stdout: str | None = None, stderr: str | None = None, timeout: float = 120) -> Ended:
        """Run ``fakevm`` with some words; each stream goes to a file of that name, is CLOSED, or (None) is kept.

        After ``timeout`` seconds it is killed.
        """
        assert self._process.stdin and self._process.stdout
        with tempfile.TemporaryDirectory(prefix="fv-forks-") as folder:
            kept = [Path(folder, name) for name in ("stdout", "stderr")]
            places = [str(path) if given is None else given for given, path in zip((stdout, stderr), kept, strict=True)]
            self._process.stdin.write(json.dumps({"words": words, "streams": places, "timeout": timeout}) + "\n")
            self._process.stdin.flush()
            status = int(self._process.stdout.readline())
            return Ended(status, *(path.read_text(errors="replace") if path.exists() else "" for path in kept))


def _serve() -> int:
    """Fork for each order; returns in the forks, with their exit status, and at the end."""
    from fakevm.cli.main import main

    _warm_up()
    for line in sys.stdin:
        order = json.loads(line)
        if pid := os.fork():
            print(_awaited(pid, order["timeout"]), flush=True)
            continue
        _redirect(order["streams"])
        sys.argv[1:] = order["words"]
        return main()
    return 0


def _warm_up() -> None:
    """Import once what each command would import, and leave it to no garbage collection of a fork."""
    from fakevm.cli.app import App

    app = App()
    for _, entry in app.command_manager:
        entry.load()
    for name in ("lab list", "lab up"):
        factory, _, _ = app.command_manager.find_command(name.split())
        factory(app, None).get_parser(name)
    gc.collect()
    gc.freeze()


def _redirect(streams: list[str]) -> None:
    targets = [os.open(place or os.devnull, os.O_RDWR | os.O_CREAT, 0o600) for place in (os.devnull, *streams)]
    for number, target in enumerate(targets):
        os.dup2(target, number)
        os.close(target)
    for number, name in enumerate(("stdout", "stderr"), start=1):
        if streams[number - 1] == CLOSED:
            os.close(number)
            # As Python has it when it is started so.
            setattr(sys, name, None)
            setattr(sys, f"__{name}__", None)


def _awaited(pid: int, timeout: float) -> int:
    deadline = time.monotonic() + timeout
    while not (found := os.waitpid(pid, os.WNOHANG))[0]:
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.005)
    code = os.waitstatus_to_exitcode(found[1])
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.argv[0] = "fakevm"
    sys.exit(_serve())
