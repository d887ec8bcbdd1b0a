"""Tables of many hosts on one screen: rows that are alike become one."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from fakevm.model.series import spans

# More rows than this are folded: a terminal shows little more.
SCREEN = 40
# Rows that are alike are folded from here on.
_LEAST = 4

Row = TypeVar("Row")


def add_all(parser: argparse.ArgumentParser, what: str) -> None:
    """Add --all, which every command has that folds."""
    parser.add_argument("--all", action="store_true", help=f"every {what}, however many there are")


def is_wanted(parsed_args: argparse.Namespace, rows: Sequence[Any]) -> bool:
    """Tell whether rows are to be folded: many, for people, who have not asked for all of them."""
    return parsed_args.formatter == "table" and not parsed_args.all and len(rows) > SCREEN


def groups(rows: Iterable[Row], alike: Callable[[Row], object]) -> list[list[Row]]:
    """Put rows together for which ``alike`` says the same, in the order of the first of each; few stay alone."""
    found: dict[object, list[Row]] = {}
    for row in rows:
        found.setdefault(alike(row), []).append(row)
    return [group for rows in found.values() for group in ([rows] if len(rows) >= _LEAST else [[row] for row in rows])]


def counted(names: Sequence[str]) -> str:
    """Name those of a group, and how many they are; one alone by its name."""
    return names[0] if len(names) == 1 else f"{spans(names)} ({len(names)})"
