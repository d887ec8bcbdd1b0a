"""What was done so far, and how to take it back."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from fakevm.errors import FakevmError
from fakevm.progress import SILENT, Progress

# So many of the steps that worked are named; those that failed are named all.
SHOWN = 4
# Things taken back at once.
PARALLEL = 8


class _Step(NamedTuple):
    what: str
    step: Callable[[], object]


class Undo:
    """Steps that take back what was done: all are tried, and the last that was done to a thing comes first."""

    def __init__(self) -> None:
        self._steps: dict[str, list[_Step]] = {}
        self._lock = threading.Lock()
        self.failed = False

    def __bool__(self) -> bool:
        """Tell whether there is anything to take back."""
        return bool(self._steps)

    def add(self, what: str, step: Callable[[], object], thing: str = "") -> None:
        """Remember a step; ``what`` says it in the past tense, such as "deleted port 1f…".

        Steps for another ``thing`` may be run at the same time.
        """
        with self._lock:
            self._steps.setdefault(thing, []).append(_Step(what, step))

    def run(self, progress: Progress = SILENT) -> str:
        """Take everything back; says what was undone, and what could not be and why."""
        with self._lock:
            things, self._steps = list(self._steps.values()), {}
        undone: list[str] = []
        left: list[str] = []
        with ThreadPoolExecutor(PARALLEL) as pool:
            for number, said in enumerate(pool.map(_take_back, things), start=1):
                for what, why in said:
                    if why:
                        left.append(f"not {what}: {why}")
                    else:
                        undone.append(what)
                progress.seen(f"taking back what was done: {number} of {len(things)}")
        self.failed = self.failed or bool(left)
        return "\n".join(
            part
            for part in (
                f"Undone: {_shortened(undone)}." if undone else "",
                f"LEFT BEHIND: {'; '.join(left)}" if left else "",
            )
            if part
        )


def _take_back(steps: list[_Step]) -> list[tuple[str, str]]:
    """Run the steps for one thing, the last one first; gives for each what it was, and why it failed."""
    said = []
    for what, step in reversed(steps):
        why = ""
        try:
            step()
        except Exception as problem:  # whatever it is, the other steps are tried, and it is reported
            why = problem.what if isinstance(problem, FakevmError) else f"{type(problem).__name__}: {problem}"
        said.append((what, why))
    return said


def _shortened(parts: list[str]) -> str:
    more = f" and {len(parts) - SHOWN} more" if len(parts) > SHOWN else ""
    return ", ".join(parts[:SHOWN]) + more
