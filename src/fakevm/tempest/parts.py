"""From what the runner tells to results: a class that skips or fails as a whole is told once, and is many tests."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from .result import Status, TempestResult

# What unittest calls what a class, or a module, does before and after its tests.
_WHOLE = re.compile(r"(?:setUp|tearDown)(?:Class|Module) \((.+)\)$")
_PASSED = ("success", "xfail")
# What subunit says of a test that never ended.
_BEGUN = "inprogress"
_LOST = "the process that had it has ended"
_LONGEST_SEEN = 300
# The names of what is attached to a test that says why it did not pass; what the test itself logged.
_REASON, _TRACEBACK, _LOG = "reason", "traceback", "pythonlogging"
_WHY = re.compile(r"^(?:\w+\.)*\w*(?:Error|Exception|Mismatch\w*|Failure|Timeout\w*|[A-Z]\w+)\b.*", re.MULTILINE)


class Unended(dict[str, None]):
    """The tests of which nothing is known yet."""

    def __init__(self, tests: Sequence[str]) -> None:
        super().__init__(dict.fromkeys(tests))

    def of(self, event: dict[str, Any]) -> Iterator[TempestResult]:
        """Give what an event says of tests: of its own, or of all of a class."""
        name = str(event["test"])
        whole = _WHOLE.match(name)
        if whole is None:
            self.pop(name, None)
            yield result(name, event)
            return
        those = [test for test in self if test.startswith(f"{whole[1]}.")] if name.startswith("setUp") else []
        for test in those:
            del self[test]
            yield result(test, event)
        if not those and _status(event) == "failed":
            yield result(name, event)

    def lost(self) -> Iterator[TempestResult]:
        """Give those of which nothing was told to the end."""
        for test in self:
            yield TempestResult(test, "failed", 0.0, 0.0, f"nothing was told of it: {_LOST}")


def result(test: str, event: dict[str, Any]) -> TempestResult:
    """Read what came of a test."""
    begin = float(event["begin"] or event["end"])
    # One that did not end was begun by a process that has ended.
    end = float(event["end"] or begin)
    status, details = _status(event), event["details"]
    if status == "skipped":
        return TempestResult(test, status, begin, end - begin, details.get(_REASON, "").strip())
    if status == "passed":
        return TempestResult(test, status, begin, end - begin)
    if event["status"] == _BEGUN:
        return TempestResult(test, status, begin, 0.0, _LOST)
    traceback = "\n".join(text for name, text in details.items() if name.startswith(_TRACEBACK)).strip()
    log = "\n".join(text for name, text in details.items() if not name.startswith(_TRACEBACK)).strip()
    return TempestResult(test, status, begin, end - begin, seen(traceback), "\n\n".join(filter(None, (traceback, log))))


def seen(traceback: str) -> str:
    """Give the line of a traceback that says what was wrong."""
    after = traceback.rpartition("Traceback (most recent call last):")[2]
    lines = [line.strip() for line in after.splitlines() if line and not line.startswith((" ", "\t"))]
    said = next((line for line in lines if _WHY.match(line)), lines[-1] if lines else "")
    rest = [line for line in lines[lines.index(said) + 1 :] if line] if said in lines else []
    # testtools and Tempest write what they compared, and details of an answer, below.
    return " ".join([said, *rest])[:_LONGEST_SEEN].strip() or "it did not say why"


def _status(event: dict[str, Any]) -> Status:
    told = event["status"]
    return "skipped" if told == "skip" else "passed" if told in _PASSED else "failed"
