"""Shows on standard error how far work is: what is done just now, or its steps with their times."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fakevm.progress import SILENT, Progress


class ShownSteps(Progress):
    """A line for each step that ended; on a terminal also what runs now and what it sees."""

    def __init__(self) -> None:
        super().__init__()
        self._status: Any = None
        self._title = ""
        self._start = time.monotonic()

    def __enter__(self) -> ShownSteps:
        if sys.stderr.isatty():
            from rich.console import Console

            self._status = Console(stderr=True).status("")
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._status:
            self._status.stop()

    @property
    def live(self) -> bool:
        """Whether what runs now is shown, on a terminal."""
        return self._status is not None

    def began(self, title: str) -> None:
        """Show what runs now."""
        self._title = title
        if self._status:
            self._status.update(title)

    def seen(self, text: str) -> None:
        """Show what a wait sees."""
        if self._status:
            self._status.update(f"{self._title}: {text}")

    def ended(self, title: str, seconds: float) -> None:
        """Show a step that ended."""
        self._say(f"{time.monotonic() - self._start:6.1f} s  {title} ({seconds:.1f} s)")

    def note(self, text: str) -> None:
        """Show what stays."""
        self._say(f"          {text}")

    def _say(self, line: str) -> None:
        if self._status:
            self._status.console.print(line, highlight=False)
        else:
            print(line, file=sys.stderr, flush=True)


class _Status(Progress):
    """A line of a terminal that says what is done just now."""

    def __init__(self, status: Any) -> None:
        super().__init__()
        self._status = status

    def seen(self, text: str) -> None:
        """Show what is done."""
        self._status.update(text)


@contextmanager
def shown(app: Any) -> Iterator[Progress]:
    """Show what is being done just now, when standard error is a terminal."""
    if not app.stderr.isatty():
        yield SILENT
        return
    from rich.console import Console

    with Console(stderr=True).status("") as status:
        yield _Status(status)
