"""What was done so far, and how to take it back."""

from __future__ import annotations

import threading
from collections.abc import Callable

from fakevm.errors import FakevmError

# So many of the steps that worked are named; those that failed are named all.
SHOWN = 4


class Undo:
    """A list of steps that take back what was done; the last is run first, and all are tried."""

    def __init__(self) -> None:
        self._steps: list[tuple[str, Callable[[], object]]] = []
        self._lock = threading.Lock()
        self.failed = False

    def __bool__(self) -> bool:
        """Tell whether there is anything to take back."""
        return bool(self._steps)

    def add(self, what: str, step: Callable[[], object]) -> None:
        """Remember a step; ``what`` says it in the past tense, such as "deleted port 1f…"."""
        with self._lock:
            self._steps.append((what, step))

    def run(self) -> str:
        """Take everything back; says what was undone, and what could not be and why."""
        with self._lock:
            steps, self._steps = self._steps[::-1], []
        undone: list[str] = []
        left: list[str] = []
        for what, step in steps:
            try:
                step()
            except Exception as problem:  # whatever it is, the other steps are tried, and it is reported
                why = problem.what if isinstance(problem, FakevmError) else f"{type(problem).__name__}: {problem}"
                left.append(f"not {what}: {why}")
                self.failed = True
            else:
                undone.append(what)
        return "\n".join(
            part
            for part in (
                f"Undone: {_shortened(undone)}." if undone else "",
                f"LEFT BEHIND: {'; '.join(left)}" if left else "",
            )
            if part
        )


def _shortened(parts: list[str]) -> str:
    more = f" and {len(parts) - SHOWN} more" if len(parts) > SHOWN else ""
    return ", ".join(parts[:SHOWN]) + more
