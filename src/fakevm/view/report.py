"""Writing reports of migrations to a file, as a page or as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fakevm.errors import InvalidInput
from fakevm.model.migration import MigrationReport

from . import file, words

SUFFIXES = (".html", ".json")
_OF_THE_FIRST = ("network", "mac_address", "addresses", "outage", "samples", "probes")


def check(path: Path) -> None:
    """Raise InvalidInput when a report cannot be written to ``path``: better known before the migration than after."""
    if path.suffix.lower() not in SUFFIXES:
        raise InvalidInput(
            f"a report's name ends in {' or '.join(SUFFIXES)}, not as {path.name}",
            hint="Name another file: --report FILE.html",
        )
    file.check(path)


def write(reports: MigrationReport | Sequence[MigrationReport], path: Path) -> None:
    """Write one report, or a list of any length, to a file whose suffix says how: .html or .json.

    JSON has an object for one report and a list for a list; a page of a list of one is the page of that one. What an
    object says of the guest's first port is there as it was when a guest had one port, too. Raises InvalidInput for
    another suffix, or when the file cannot be written.
    """
    check(path)
    file.write(path, _json(reports) if path.suffix.lower() == ".json" else _page(reports))


def _json(reports: MigrationReport | Sequence[MigrationReport]) -> str:
    told = _told(reports) if isinstance(reports, MigrationReport) else [_told(report) for report in reports]
    return json.dumps(told, indent=2, ensure_ascii=False) + "\n"


def _told(report: MigrationReport) -> dict[str, Any]:
    told = report.model_dump(mode="json")
    first = report.first.model_dump(mode="json") if report.first else {}
    return told | {"port_id": words.thing(report)} | {name: first.get(name) for name in _OF_THE_FIRST}


def _page(reports: MigrationReport | Sequence[MigrationReport]) -> str:
    from . import overview, page

    if isinstance(reports, MigrationReport):
        return page.one(reports)
    return page.one(reports[0]) if len(reports) == 1 else overview.many(reports)
