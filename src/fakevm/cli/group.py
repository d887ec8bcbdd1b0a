"""A command in several guests at once: what they say is marked with their names, and one exit status stands for all."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any

from fakevm.errors import FakevmError, OutputLost, Prerequisite

AT_ONCE = 32
# What timeout(1) ends with.
TIMED_OUT = 124
# How long (seconds) commands that are stopped may take: they are killed after 5 (exec_local.GRACE).
_ENDING = 8.0
# After a command has ended, its children may hold the pipes open: what comes later than this (seconds) is lost.
_DRAIN = 0.2
_CHUNK = 1 << 16

Write = Callable[[str, bytes], None]


class Work(ABC):
    """A command in one guest."""

    def __init__(self, guest_id: str, title: str, host: str) -> None:
        self.guest_id = guest_id
        self.title = title
        self.host = host

    @abstractmethod
    def run(self, write: Write) -> int:
        """Run it to its end: ``write`` takes the stream's name, and what came. Returns its exit status.

        Raises FakevmError: it could not be run.
        """

    @abstractmethod
    def stop(self) -> None:
        """Have it end, now or when it begins; called by another thread, once."""


class Local(Work):
    """A command whose argv can be run on this machine; it reads nothing."""

    def __init__(self, guest_id: str, title: str, host: str, argv: Callable[[], Sequence[str]]) -> None:
        super().__init__(guest_id, title, host)
        self._argv = argv
        self._lock = threading.Lock()
        self._stopped = False
        self._process: subprocess.Popen[bytes] | None = None

    def run(self, write: Write) -> int:
        """See Work. It ends with this process, whatever ends that."""
        argv = list(self._argv())
        with self._lock:
            if self._stopped:
                return 128 + signal.SIGTERM
            self._process = process = _started(argv)
        try:
            _follow(process, write)
        except BaseException:
            self.stop()
            raise
        finally:
            status = process.wait()
        return status if status >= 0 else 128 - status

    def stop(self) -> None:
        """See Work."""
        with self._lock:
            self._stopped = True
            if self._process and self._process.poll() is None:
                self._process.terminate()


def _started(argv: Sequence[str]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", *argv],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0, start_new_session=True,
        )  # fmt: skip
    except FileNotFoundError as exc:
        raise Prerequisite("there is no program setpriv", hint="`fakevm doctor` lists what is needed.") from exc


def _follow(process: subprocess.Popen[bytes], write: Write) -> None:
    """Take what a process says, until it has ended. Its children may hold the pipes open: those are not waited for."""
    assert process.stdout and process.stderr
    ended = os.pidfd_open(process.pid)
    try:
        with process.stdout, process.stderr, selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ, "stdout")
            selector.register(process.stderr, selectors.EVENT_READ, "stderr")
            selector.register(ended, selectors.EVENT_READ)
            deadline = None
            while len(selector.get_map()) > (deadline is None):
                ready = selector.select(None if deadline is None else max(0.0, deadline - time.monotonic()))
                if not ready:
                    return
                for key, _ in ready:
                    if key.fd == ended:
                        deadline = time.monotonic() + _DRAIN
                        selector.unregister(ended)
                    elif data := os.read(key.fd, _CHUNK):
                        write(key.data, data)
                    else:
                        selector.unregister(key.fileobj)
    finally:
        os.close(ended)


@dataclass
class Outcome:
    """What became of a command in one guest; ``problem`` says why it could not be run (then it has no status)."""

    guest_id: str
    title: str
    host: str
    exit_status: int | None = None
    problem: str = ""
    seconds: float = 0.0
    said: dict[str, bytearray] = field(default_factory=lambda: {"stdout": bytearray(), "stderr": bytearray()})

    @property
    def failed(self) -> bool:
        """Whether it is not well."""
        return self.exit_status != 0

    @property
    def words(self) -> str:
        """Say how it failed."""
        if self.problem:
            return f"{self.title}: {self.problem}"
        after = " (its time was over)" if self.exit_status == TIMED_OUT else ""
        return f"{self.title}: exit status {self.exit_status}{after}"

    def row(self) -> dict[str, Any]:
        """Give it for JSON."""
        said = {name: data.decode(errors="replace") for name, data in self.said.items()}
        row = {"name": self.title, "id": self.guest_id, "host": self.host, "exit_status": self.exit_status, **said}
        row |= {"problem": self.problem} if self.problem else {}
        return row | {"seconds": round(self.seconds, 3)}


class Shown:
    """Where what commands say goes: to our own streams, a line after the other, each behind its guest's name."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def write(self, outcome: Outcome, stream: str, data: bytes) -> None:
        """Take a piece; what is no whole line yet is kept."""
        kept = outcome.said[stream]
        kept += data
        end = kept.rfind(b"\n") + 1
        if end:
            self._print(outcome.title, stream, bytes(kept[:end]))
            del kept[:end]

    def end(self, outcome: Outcome) -> None:
        """Write what came without an end of line."""
        for stream, kept in outcome.said.items():
            if kept:
                self._print(outcome.title, stream, bytes(kept) + b"\n")

    def _print(self, title: str, stream: str, lines: bytes) -> None:
        mark = "".join(letter if letter.isprintable() else "?" for letter in title).encode(errors="backslashreplace")
        marked = b"".join(mark + b": " + line for line in lines.splitlines(keepends=True))
        target = sys.stdout if stream == "stdout" else sys.stderr
        with self._lock:
            target.buffer.write(marked)
            target.flush()


class Kept(Shown):
    """All that commands say is kept for the end."""

    def write(self, outcome: Outcome, stream: str, data: bytes) -> None:
        """Keep a piece."""
        outcome.said[stream] += data

    def end(self, outcome: Outcome) -> None:
        """Nothing."""


def run(works: Sequence[Work], *, as_json: bool, at_once: int = AT_ONCE) -> int:
    """Run commands in several guests, ``at_once`` at a time; returns the exit status: the greatest of theirs.

    Those that could not be run count as 1. When this is interrupted, or nobody can be told any more, all are ended.
    Raises OutputLost.
    """
    shown = Kept() if as_json else Shown()
    outcomes = _all(works, shown, at_once)
    if as_json:
        sys.stdout.write(json.dumps([outcome.row() for outcome in outcomes], indent=2) + "\n")
    sys.stdout.flush()
    failed = [outcome for outcome in outcomes if outcome.failed]
    if failed:
        lines = "".join(f"\n  {outcome.words}" for outcome in failed)
        print(f"error: {len(failed)} of {len(works)} guests failed:{lines}", file=sys.stderr)
    return max((outcome.exit_status or 1 for outcome in failed), default=0)


def _all(works: Sequence[Work], shown: Shown, at_once: int) -> list[Outcome]:
    with ThreadPoolExecutor(at_once) as pool:
        begun: list[Future[Outcome]] = []
        try:
            begun += [pool.submit(_one, work, shown) for work in works]
            left = set(begun)
            while left:
                # One that fails by our own streams ends the others.
                done, left = wait(left, return_when=FIRST_COMPLETED)
                for future in done:
                    future.result()
            return [future.result() for future in begun]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for work in works:
                work.stop()
            wait(begun, timeout=_ENDING)
            raise


def _one(work: Work, shown: Shown) -> Outcome:
    outcome = Outcome(work.guest_id, work.title, work.host)
    begin = time.monotonic()
    try:
        outcome.exit_status = work.run(lambda stream, data: shown.write(outcome, stream, data))
    except OutputLost:
        raise
    except FakevmError as problem:
        outcome.problem = " ".join(f"{problem.what} {problem.hint}".split())
    outcome.seconds = time.monotonic() - begin
    shown.end(outcome)
    return outcome
