"""What the lab's programs wrote about a test that failed: lines with the ids of its requests."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

from fakevm.lab import logs
from fakevm.model.lab import LabRecord

_REQUEST = re.compile(r"\breq-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
# Lines of all programs that are kept of one test, and bytes of a line.
_MOST, _LONGEST = 200, 600


def requests(said: str) -> frozenset[str]:
    """Find the ids of requests in what a test logged."""
    return frozenset(_REQUEST.findall(said))


def of(record: LabRecord, wanted: Mapping[str, frozenset[str]]) -> dict[str, str]:
    """Give, for each test, the lines of all logs of a lab that are about its requests, each behind its program's name.

    ``wanted`` has the ids of each test's requests.
    """
    asked = {request: test for test, ids in wanted.items() for request in ids}
    found: dict[str, list[str]] = defaultdict(list)
    for path in logs.find(record) if asked else ():
        for test, line in _lines(record, path, asked):
            found[test].append(line)
    return {test: "\n".join(_shortened(lines)) for test, lines in found.items()}


def _shortened(lines: list[str]) -> list[str]:
    return lines if len(lines) <= _MOST else [*lines[:_MOST], f"… and {len(lines) - _MOST} lines more"]


def _lines(record: LabRecord, path: Path, asked: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    name = path.stem if path.parent.parent == record.directory else f"{path.parent.parent.name}/{path.stem}"
    try:
        with path.open(errors="replace") as file:
            for line in file:
                named = _REQUEST.findall(line) if "req-" in line else ()
                for test in {asked[request] for request in named if request in asked}:
                    yield test, f"{name}: {line.rstrip()[:_LONGEST]}"
    except OSError:
        # What has gone meanwhile says nothing.
        return
