"""Writing reports of migrations to a file, as a page or as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import TypeAdapter

from fakevm.errors import InvalidInput
from fakevm.model.migration import MigrationReport

from . import file

_LIST = TypeAdapter(list[MigrationReport])
SUFFIXES = (".html", ".json")


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

    JSON has an object for one report and a list for a list; a page of a list of one is the page of that one. Raises
    InvalidInput for another suffix, or when the file cannot be written.
    """
    check(path)
    file.write(path, _json(reports) if path.suffix.lower() == ".json" else _page(reports))


def _json(reports: MigrationReport | Sequence[MigrationReport]) -> str:
    if isinstance(reports, MigrationReport):
        return reports.model_dump_json(indent=2) + "\n"
    return _LIST.dump_json(list(reports), indent=2).decode() + "\n"


def _page(reports: MigrationReport | Sequence[MigrationReport]) -> str:
    from . import overview, page

    if isinstance(reports, MigrationReport):
        return page.one(reports)
    return page.one(reports[0]) if len(reports) == 1 else overview.many(reports)
