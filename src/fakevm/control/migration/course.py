"""The course of a migration: its steps, each told, timed and, if that is wanted, made to fail."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from fakevm.control.job import Job, Stopped
from fakevm.errors import FakevmError
from fakevm.model.migration import Step
from fakevm.progress import Progress


class Course:
    """The steps so far.

    ``fail_at`` names the step that fails after its work was done: the hardest to take back. ``delays`` are seconds to
    wait before steps, by their names.
    """

    def __init__(
        self, job: Job, progress: Progress, fail_at: str | None = None, delays: Mapping[str, float] = {}
    ) -> None:
        self.began = time.time()
        self.steps: list[Step] = []
        self._job = job
        self._progress = progress
        self._fail_at = fail_at
        self._delays = delays

    @property
    def seconds(self) -> float:
        """Seconds since it began."""
        return time.time() - self.began

    @contextmanager
    def step(self, name: str, words: str) -> Iterator[None]:
        """Do a step that an interrupt must not cut in two. Raises Stopped when the job was given up."""
        self._delay(name)
        with self._job.step(), self._timed(name, words):
            yield

    @contextmanager
    def wait(self, name: str, words: str) -> Iterator[None]:
        """Wait for others; an interrupt does not wait for that. Raises Stopped when the job was given up."""
        self._delay(name)
        self._job.check()
        with self._timed(name, words):
            yield
        self._job.check()

    def note(self, name: str, words: str) -> None:
        """Record that something was done that belongs to no step."""
        self._progress.seen(words)
        self.steps.append(Step(name=name, start=self.seconds, seconds=0.0))

    def _delay(self, name: str) -> None:
        """Wait before a step, as the user asked; an interrupt ends that."""
        end = time.monotonic() + self._delays.get(name, 0.0)
        while (left := end - time.monotonic()) > 0:
            self._progress.seen(f"waiting {left:.0f} s before {name}, as asked")
            time.sleep(min(left, 0.1))
            self._job.check()

    @contextmanager
    def _timed(self, name: str, words: str) -> Iterator[None]:
        self._progress.seen(words)
        start, error = self.seconds, ""
        try:
            yield
            if name == self._fail_at:
                raise FakevmError(f"step {name} was made to fail", hint="That was asked for: --fail-at.")
        except Stopped:
            error = "given up"
            raise
        except Exception as problem:
            error = problem.what if isinstance(problem, FakevmError) else f"{type(problem).__name__}: {problem}"
            raise
        finally:
            self.steps.append(Step(name=name, start=start, seconds=self.seconds - start, error=error))
