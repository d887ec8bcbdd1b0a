"""Many commands in little time: each runs in a real process, a fork of one that has imported the command line.

So a test can give each of hundreds of commands its own streams, closed or full, and see its exit status. A fork costs a
few hundredths of a second, where a new Python costs half a second, of the stock ``openstack`` client more than a whole
one. `Labs.fakevm` and `Lab.openstack` are made of them, too.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from . import leftovers

CLOSED = ""
"""In the place of a stream's file: the stream is closed."""
# Read when Python starts: who wants others needs another Python.
_STARTING = ("PYTHON", "LANG", "LC_")


class Ended(NamedTuple):
    """How a command ended: its exit status (that of a shell: 128 and more for a signal), and what it wrote."""

    status: int
    stdout: str
    stderr: str


class Forks:
    """The command line, in a process of its own that forks; to be closed."""

    def __init__(self, environment: Mapping[str, str], folder: Path, program: str = "fakevm") -> None:
        """Begin, with the commands' ``environment`` and working ``folder``; ``program`` may be ``openstack``, too."""
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "fakevm.testing.forks", program], env=dict(environment), cwd=folder,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._starting = _starting(environment)
        self._busy = threading.Lock()
        self._broken = False

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
            code = self._answer({"words": words, "streams": [os.devnull, *places], "timeout": timeout})
            status = code if code >= 0 else 128 - code
            return Ended(status, *(path.read_text(errors="replace") if path.exists() else "" for path in kept))

    def done(
        self, argv: Sequence[str], environment: Mapping[str, str], cwd: str | Path, given: str, timeout: float
    ) -> subprocess.CompletedProcess[str] | None:
        """Run a command as ``subprocess.run`` does: ``argv`` begins with the program, ``given`` is its input.

        None when that needs a Python of its own: for its variables, as another thread's command runs just now, or
        since one was interrupted.

        :raises subprocess.TimeoutExpired: it was killed after ``timeout`` seconds
        """
        if _starting(environment) != self._starting or not self._busy.acquire(blocking=False):
            return None
        try:
            if self._broken:
                return None
            with tempfile.TemporaryDirectory(prefix="fv-forks-") as folder:
                leftovers.expect(Path(folder))
                files = [Path(folder, name) for name in ("stdin", "stdout", "stderr")]
                files[0].write_text(given)
                order: dict[str, Any] = {
                    "program": argv[0],
                    "words": argv[1:],
                    "streams": [str(file) for file in files],
                }
                order |= {"environment": dict(environment), "cwd": str(Path(cwd).absolute()), "timeout": timeout}
                began = time.monotonic()
                code = self._answer(order)
                said = [file.read_text() if file.exists() else "" for file in files[1:]]
        finally:
            self._busy.release()
        if code == -signal.SIGKILL and time.monotonic() - began >= timeout:
            raise subprocess.TimeoutExpired(list(argv), timeout, *said)
        return subprocess.CompletedProcess(list(argv), code, *said)

    def _answer(self, order: dict[str, Any]) -> int:
        """Have an order done. An answer that nobody waited for would be taken for that of the next: so none is next."""
        assert self._process.stdin and self._process.stdout
        line = json.dumps(order, default=os.fspath)
        try:
            self._process.stdin.write(f"{line}\n")
            self._process.stdin.flush()
            if not (answer := self._process.stdout.readline()):
                raise ChildProcessError("the process that forks commands has ended")
            return int(answer)
        except BaseException:
            self._broken = True
            self._process.terminate()
            raise


def _starting(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(_STARTING)}


@cache
def shared(program: str) -> Forks:
    """Give a program's one of this process, begun when it is asked for first; it ends with the process."""
    made = Forks(os.environ, Path("/"), program)
    atexit.register(made.close)
    return made


def _serve(program: str) -> int:
    """Fork for each order; returns in the forks, with their exit status, and at the end."""
    # Ctrl-C at a terminal is for whoever runs the tests, and for what is forked.
    signal.signal(signal.SIGINT, lambda _signum, _frame: None)
    signal.signal(signal.SIGTERM, lambda signum, _frame: sys.exit(128 + signum))
    main = _PROGRAMS[program]()
    gc.collect()
    # A collection in each fork would copy what all share.
    gc.freeze()
    for line in sys.stdin:
        order = json.loads(line)
        if pid := os.fork():
            print(_awaited(pid, order["timeout"]), flush=True)
            continue
        _become(order)
        return main()
    return 0


def _fakevm() -> Callable[[], int]:
    """Import once what each command would import."""
    from fakevm.cli.app import App
    from fakevm.cli.main import main

    app = App()
    for _, entry in app.command_manager:
        entry.load()
    for name in ("lab list", "lab up"):
        factory, _, _ = app.command_manager.find_command(name.split())
        factory(app, None).get_parser(name)
    return main


def _openstack() -> Callable[[], int]:
    from openstackclient.shell import main

    # Its modules are found by entry points as a command begins; nobody is at this port, and nobody reads what it says.
    nobody = ["--os-auth-type", "none", "--os-endpoint", "http://127.0.0.1:1", "network", "list"]
    with contextlib.redirect_stderr(io.StringIO()):
        main(nobody)
    return lambda: int(main(sys.argv[1:]))


_PROGRAMS = {"fakevm": _fakevm, "openstack": _openstack}


def _become(order: dict[str, Any]) -> None:
    """Make this fork what a new Python would be that was started so."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _redirect(order["streams"])
    sys.argv = [order.get("program", "fakevm"), *order["words"]]
    if "environment" in order:
        os.environ.clear()
        os.environ.update(order["environment"])
        os.chdir(order["cwd"])


def _redirect(streams: list[str]) -> None:
    targets = [os.open(place or os.devnull, os.O_RDWR | os.O_CREAT, 0o600) for place in streams]
    for number, target in enumerate(targets):
        os.dup2(target, number)
        os.close(target)
    for number, name in enumerate(("stdout", "stderr"), start=1):
        if streams[number] == CLOSED:
            os.close(number)
            # As Python has it when it is started so.
            setattr(sys, name, None)
            setattr(sys, f"__{name}__", None)


def _awaited(pid: int, timeout: float) -> int:
    deadline = time.monotonic() + timeout
    try:
        while not (found := os.waitpid(pid, os.WNOHANG))[0]:
            if time.monotonic() > deadline:
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.005)
    except BaseException:
        # Nobody waits for it any more.
        os.kill(pid, signal.SIGKILL)
        raise
    return os.waitstatus_to_exitcode(found[1])


if __name__ == "__main__":
    # Some of what is imported looks at it.
    sys.argv = sys.argv[1:]
    sys.exit(_serve(sys.argv[0]))
