"""How long work tells how far it is: commands to people, whoever does the work to commands."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(eq=False)
class Progress:
    """Times the steps of a long piece of work; a subclass shows them while they run.

    ``steps`` is a list of (title, seconds) of those that are done.
    """

    steps: list[tuple[str, float]] = field(default_factory=list)

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Run one step under its title."""
        began = time.monotonic()
        self.began(title)
        yield
        seconds = time.monotonic() - began
        self.steps.append((title, seconds))
        self.ended(title, seconds)

    def began(self, title: str) -> None:
        """Show that a step began."""

    def ended(self, title: str, seconds: float) -> None:
        """Show that a step ended well."""

    def note(self, text: str) -> None:
        """Show what is worth knowing of what is being done."""

    def seen(self, text: str) -> None:
        """Show what a wait sees just now."""


# Nobody looks at it.
SILENT = Progress()


class Tally:
    """Counts what is done of a long action, and says how far it is; many threads may count."""

    def __init__(self, progress: Progress, number: int, what: str) -> None:
        self._progress = progress
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
            self._progress.seen(f"{self._done} of {self._number} {self._what}, some {left:.0f} s left")
