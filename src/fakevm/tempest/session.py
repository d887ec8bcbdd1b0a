"""Tests run in a lab, from its configuration to what came of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from fakevm.lab import client, registry
from fakevm.linux.kernel import SEARCH_PATH
from fakevm.model.lab import LabRecord
from fakevm.progress import Progress

from . import configuration, evidence, facts, known, running
from .configuration import Facts
from .result import RED, TempestResult

# What a lab's folder is called in the lab.
_INSIDE = Path("/run/fakevm")
Tell = Callable[[TempestResult], None]


class Session:
    """Tests that are run in a lab; ``results`` has those that have ended.

    ``client`` names the client of the world outside in which they run, so that floating IPs answer; else they run on
    the machine.
    """

    def __init__(self, record: LabRecord, tests: Sequence[str], progress: Progress, *, client: str = "") -> None:
        self._record = record
        self._tests = tests
        self._progress = progress
        self._client = client
        self.results: list[TempestResult] = []

    def run(self, venv: Path, workers: int, begun: Callable[[str], None], ended: Tell) -> None:
        """Run them. What has ended before anything fails, or before Ctrl-C, is in ``results`` all the same.

        Raises what Neutron's API raises; CommandFailed, TimedOut, LabFailed.
        """
        with registry.living(self._record):
            with self._progress.step("asking the lab what it has"):
                found = facts.of(self._record)
            for remark in remarks(found):
                self._progress.note(remark)
            with running.folder(self._record.directory, configuration.text(found)) as at, self._explained():
                run = running.Run(venv, at, self._tests, min(workers, len(self._tests)), self._place())
                with self._progress.step(f"running {len(self._tests)} tests"):
                    for result in run.results(begun):
                        judged = self._judged(result)
                        self.results.append(judged)
                        ended(judged)

    def _place(self) -> running.Place:
        if not self._client:
            return running.Place()
        enter = (*client.enter(self._record, self._client), "env", f"PATH={SEARCH_PATH}")
        return running.Place(enter, lambda path: _INSIDE / path.relative_to(self._record.directory))

    def _judged(self, result: TempestResult) -> TempestResult:
        """Look into the list of known failures."""
        why = known.of(result.name, self._record.backend, self._record.release)
        if why is None or result.status == "skipped":
            return result
        if result.status == "failed":
            return result._replace(status="known", seen=why.reason)
        if why.sometimes:
            return result
        return result._replace(status="unlisted", seen=f"it is listed as failing: {why.reason}")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """In the end put what the lab's programs wrote beside what failed."""
        try:
            yield
        finally:
            asked = {one.test: evidence.requests(one.detail) for one in self.results if one.status in (*RED, "known")}
            found = evidence.of(self._record, asked)
            self.results = [one._replace(logs=found.get(one.test, "")) for one in self.results]


def remarks(found: Facts) -> Iterator[str]:
    """Say what of a lab leaves tests out."""
    if found.external is None:
        yield "the lab has no external network: tests of gateways and floating IPs are skipped, or fail"
    if not found.physical:
        yield "none of the lab's physical networks has VLANs: tests of provider networks are skipped"
