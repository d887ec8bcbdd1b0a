"""How long work tells how far it is."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
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
