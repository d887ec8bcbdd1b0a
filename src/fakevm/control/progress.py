"""What a long action is doing now."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# Told what is being done, such as "binding to compute1".
Say = Callable[[str], None]


def silent(_what: str) -> None:
    """Say nothing."""


class Stopwatch:
    """Seconds that the steps of an action took, by name and in order."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Measure a step, also one that fails."""
        begin = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - begin

    @property
    def total(self) -> float:
        """Seconds since the action began."""
        return time.monotonic() - self._start


class Tally:
    """Counts what is done of a long action, and says how far it is; many threads may count."""

    def __init__(self, say: Say, number: int, what: str) -> None:
        self._say = say
        self._number = number
        self._what = what
        self._done = 0
        self._begun = time.monotonic()
        self._lock = threading.Lock()

    def count(self) -> None:
        """Count one more."""
        with self._lock:
            self._done += 1
            left = (time.monotonic() - self._begun) / self._done * (self._number - self._done)
            self._say(f"{self._done} of {self._number} {self._what}, some {left:.0f} s left")
