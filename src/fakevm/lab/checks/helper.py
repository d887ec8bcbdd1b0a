"""Processes that run beside probes: responders at their targets, watchers in the lab."""

from __future__ import annotations

import contextlib
import subprocess
import threading
import time
from collections.abc import Sequence
from types import TracebackType

from fakevm.errors import CommandFailed, TimedOut
from fakevm.lab.place import Places
from fakevm.probe.base import program

# Seconds until it must have said that it is ready.
_STARTING = 20.0
_ENDING = 5.0


class Helper:
    """A process that lives as long as the block. Entering waits until it says ``ready``.

    Raises CommandFailed, TimedOut then.
    """

    def __init__(self, argv: Sequence[str], ready: str) -> None:
        self._ready = ready
        self._process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        )
        self._lines: list[str] = []
        self._said = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Helper:
        deadline = time.monotonic() + _STARTING
        while not any(self._ready in line for line in self.lines):
            if self._process.poll() is not None and not self._reader.is_alive():
                self.stop()
                raise CommandFailed(f"{self._name} ended: {self._last_words}")
            if time.monotonic() > deadline:
                self.stop()
                raise TimedOut(f"{self._name} was not ready in {_STARTING:g} s; it said: {self._last_words}")
            self._said.wait(0.1)
            self._said.clear()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def lines(self) -> list[str]:
        """What it said until now."""
        return list(self._lines)

    @property
    def runs(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def end(self, patience: float) -> list[str]:
        """End its standard input, wait for its own end (``patience`` in seconds), and give what it said once ready."""
        with contextlib.suppress(BrokenPipeError):
            assert self._process.stdin
            self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(patience)
        self._reader.join(patience)
        return [line for line in self.lines if self._ready not in line]

    def stop(self) -> None:
        """End it, one way or the other."""
        self.end(0.0)
        self._process.terminate()
        try:
            self._process.wait(_ENDING)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            self._lines.append(line.rstrip("\n"))
            self._said.set()
        self._said.set()

    @property
    def _name(self) -> str:
        words = self._process.args
        return " ".join(list(words)[-4:]) if isinstance(words, list) else str(words)

    @property
    def _last_words(self) -> str:
        return (self.lines or ["nothing"])[-1][:200]


class Responders:
    """Our own servers at the targets of TCP and UDP checks; each is started when it is needed, and shared."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._lock = threading.Lock()
        self._running: dict[tuple[str, str, int], Helper] = {}
        self._locks: dict[tuple[str, str, int], threading.Lock] = {}

    def __enter__(self) -> Responders:
        return self

    def __exit__(self, *_: object) -> None:
        for helper in self._running.values():
            helper.stop()

    def listen(self, target: str, kind: str, port: int) -> bool:
        """See to it that somebody listens at a target; False when that is not ours: nothing is to come back from it.

        Raises FakevmError when nothing can be started there.
        """
        target, port = self._places.forwarded(target, kind, port)
        if not self._places.can_listen(target):
            return False
        key = (self._places.guest_behind(target) or target, kind, port)
        with self._lock:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            helper = self._running.get(key)
            if helper is None or not helper.runs:
                helper = self._start(*key)
            return helper is not None

    def _start(self, target: str, kind: str, port: int) -> Helper | None:
        helper = Helper(self._places.command(target, program("responder", kind, port)), "listening")
        try:
            helper.__enter__()
        except CommandFailed:
            if "taken" in helper.lines:
                return None
            raise
        self._running[(target, kind, port)] = helper
        return helper
