"""Tables for people: of a terminal's width, no word torn, what is well in green and what is not in red.

A table that goes to a pipe or a file has every column, and no colour; other formats are cliff's own.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

from cliff.columns import FormattableColumn
from cliff.formatters.table import TableFormatter

# A column is not made narrower than this, if its contents are wider: what is written so is hard to read.
NARROWEST = 12
# So many columns are shown, if need be with names that are broken at hyphens.
FEWEST = 3
# Left and right of each cell, and the line after it; and the line before the first.
AROUND, EDGE = 3, 1
# Of columns that say how something is.
_STATES = frozenset({"status", "state", "agent", "result", "data plane"})
_COLOURS = {
    "32": "ACTIVE alive deleted installed met moved ok running unplugged up",
    "33": "BUILD cut degraded error incomplete limited skipped starting stopped rolled_back",
    "31": "DOWN ERROR dead down failed killed left_half-way missing not_in_Neutron unreadable",
}
_COLOUR_OF = {word.replace("_", " "): colour for colour, words in _COLOURS.items() for word in words.split()}


class PeoplesTable(TableFormatter):
    """cliff's table, made to fit a terminal.

    :param first: the columns that people want, the most important first. Others follow where there is room.
    """

    def __init__(self, first: Sequence[str] = ()) -> None:
        self._first = tuple(first)

    def add_argument_group(self, parser: argparse.ArgumentParser) -> None:
        """Add --wide to cliff's options."""
        super().add_argument_group(parser)
        # The group that cliff has just made.
        group = parser._action_groups[-1]
        group.add_argument("--wide", action="store_true", help="show every column, however wide the terminal is")

    def emit_list(
        self,
        column_names: Sequence[str],
        data: Iterable[Sequence[Any]],
        stdout: TextIO,
        parsed_args: argparse.Namespace,
    ) -> None:
        """Write rows; on a terminal those columns for which there is room."""
        rows = [[_readable(cell) for cell in row] for row in data]
        names, rows = _ordered(list(column_names), rows, self._first)
        left_out: Sequence[str] = ()
        width = _width(stdout, parsed_args)
        if rows and width:
            wanted = names if parsed_args.columns else [name for name in self._first if name in names]
            kept = len(wanted) if parsed_args.columns else FEWEST
            chosen = Fit(names, rows, width, len(wanted), kept).choose()
            left_out = [
                name for i, name in enumerate(names) if name not in chosen and any(row[i] != "" for row in rows)
            ]
            at = [names.index(name) for name in chosen]
            rows = [[wrapped(row[i], chosen[names[i]]) for i in at] for row in rows]
            names = list(chosen)
        if coloured(stdout):
            rows = [[painted(name, cell) for name, cell in zip(names, row, strict=True)] for row in rows]
        super().emit_list(names, rows, stdout, parsed_args)
        if left_out:
            stdout.write(_dim(wrapped(f"not shown: {', '.join(left_out)} (--wide)", width), stdout) + "\n")

    def emit_one(
        self, column_names: Sequence[str], data: Sequence[Any], stdout: TextIO, parsed_args: argparse.Namespace
    ) -> None:
        """Write fields; on a terminal long values in several lines."""
        names, cells = list(column_names), [_readable(cell) for cell in data]
        if names and (width := _width(stdout, parsed_args)):
            room = width - EDGE - 2 * AROUND - max(len("Field"), *map(len, names))
            cells = [wrapped(cell, max(room, NARROWEST)) for cell in cells]
        if coloured(stdout):
            cells = [painted(name, cell) for name, cell in zip(names, cells, strict=True)]
        super().emit_one(names, cells, stdout, parsed_args)

    @staticmethod
    def _assign_max_widths(*_: Any, **__: Any) -> None:
        """Leave widths alone: cliff would tear words."""


@dataclass
class Fit:
    """Chooses columns of a table for a ``width``, and how wide each is to be.

    The first ``wanted`` are wanted most; ``kept`` of them are shown however wide they are.
    """

    names: Sequence[str]
    rows: Sequence[Sequence[Any]]
    width: int
    wanted: int
    kept: int = FEWEST

    def choose(self) -> dict[str, int]:
        """Give the columns that fit, with their widths; at least the first, however wide it is.

        Where not all of them fit, the empty ones go; then of those that are wanted the last, down to a few; then names
        are broken at their hyphens; then more go. What room is left is for those that nobody asked for.
        """
        every = {name: [row[i] for row in self.rows] for i, name in enumerate(self.names)}
        if self._fits(every, _unbroken):
            return self._widths(every, _unbroken)
        filled = {name: cells for name, cells in every.items() if any(str(cell) for cell in cells)}
        columns = {name: filled[name] for name in list(every)[: max(self.wanted, 1)] if name in filled}
        pieces = _unbroken
        while len(columns) > 1 and not self._fits(columns, pieces):
            if len(columns) <= self.kept:
                if pieces is _at_hyphens:
                    break
                pieces = _at_hyphens
            else:
                columns.popitem()
        for name, cells in filled.items():
            if name not in columns and self._fits(columns | {name: cells}, pieces):
                columns[name] = cells
        return self._widths(columns, pieces)

    def _fits(self, columns: Mapping[str, Sequence[Any]], pieces: re.Pattern[str]) -> bool:
        return self._spare(_least(columns, pieces)) >= 0

    def _spare(self, widths: Mapping[str, int]) -> int:
        return self.width - EDGE - sum(width + AROUND for width in widths.values())

    def _widths(self, columns: Mapping[str, Sequence[Any]], pieces: re.Pattern[str]) -> dict[str, int]:
        """Share what room there is: those that want least get all they want."""
        widths = _least(columns, pieces)
        want = {name: _natural(name, cells) - widths[name] for name, cells in columns.items()}
        for name in sorted(want, key=lambda name: want[name]):
            widths[name] += max(0, min(want[name], self._spare(widths)))
        return widths


_unbroken = re.compile(r"\S+")
# An id stays whole: it is to be copied.
_at_hyphens = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[^\s-]+-*|-+")


def _natural(name: str, cells: Sequence[Any]) -> int:
    return max(len(name), *(len(line) for cell in cells for line in str(cell).split("\n")))


def _least(columns: Mapping[str, Sequence[Any]], pieces: re.Pattern[str]) -> dict[str, int]:
    """Say how narrow each column may be: its longest word must fit."""
    return {
        name: max(
            len(name),
            min(_natural(name, cells), NARROWEST),
            *(len(piece) for cell in cells for piece in pieces.findall(str(cell))),
            0,
        )
        for name, cells in columns.items()
    }


def wrapped(cell: Any, width: int) -> Any:
    """Write text in lines of at most ``width`` characters, where its words allow that."""
    if not isinstance(cell, str):
        return cell
    return "\n".join(_line for line in cell.split("\n") for _line in _lines(line, width))


def _lines(line: str, width: int) -> list[str]:
    if len(line) <= width:
        return [line]
    pieces = _unbroken if max(map(len, line.split()), default=0) <= width else _at_hyphens
    lines = [""]
    for piece in re.findall(rf"\s*(?:{pieces.pattern})", line):
        if lines[-1] and len(lines[-1] + piece) > width:
            lines.append(piece.lstrip())
        else:
            lines[-1] += piece
    return lines


def _readable(cell: Any) -> Any:
    if isinstance(cell, FormattableColumn):
        return cell.human_readable()
    return cell if isinstance(cell, (int, float)) else "" if cell is None else str(cell)


def _ordered(names: list[str], rows: list[list[Any]], first: Sequence[str]) -> tuple[list[str], list[list[Any]]]:
    """Bring the columns that people want to the front."""
    wanted = [name for name in first if name in names]
    order = [*wanted, *(name for name in names if name not in wanted)]
    at = [names.index(name) for name in order]
    return order, [[row[i] for i in at] for row in rows]


def _width(stdout: TextIO, parsed_args: argparse.Namespace) -> int:
    """Give the width to fit, 0 for any."""
    if parsed_args.wide:
        return 0
    if parsed_args.max_width > 0:
        return int(parsed_args.max_width)
    return shutil.get_terminal_size().columns if stdout.isatty() or parsed_args.fit_width else 0


# -- colours -----------------------------------------------------------------------------------------------------


def coloured(stream: TextIO) -> bool:
    """Tell whether colours are wanted: on a terminal that has them, unless NO_COLOR is set (no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def painted(name: str, cell: Any) -> Any:
    """Colour what says how something is; other cells stay as they are."""
    colour = _COLOUR_OF.get(cell) if name.lower() in _STATES and isinstance(cell, str) else None
    return f"\033[{colour}m{cell}\033[0m" if colour else cell


def _dim(text: str, stream: TextIO) -> str:
    return f"\033[2m{text}\033[0m" if coloured(stream) else text
