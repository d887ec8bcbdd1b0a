"""How large things in a picture are, in its units (of which a screen's pixel is one): text is measured by a table."""

from __future__ import annotations

import math
from typing import NamedTuple

from .scene import Box

TITLE, TEXT, SMALL = 13.0, 11.0, 10.0
"""The sizes of letters."""
PAD, ROW = 9.0, 15.0
CELL_HEIGHT = 22.0
_LEAST_WIDTH = 44.0
# A box of many guests is so much wider than high, if there is room.
_ASPECT = 2.0
_MOST_COLUMNS = 15
# Widths of letters by the size of the font, as in DejaVu Sans, the widest of the usual ones.
_NARROW, _WIDE = set("iljtfrI.:,;|'()[]/ "), set("mwMW@%—")


class Size(NamedTuple):
    """A width and a height."""

    width: float
    height: float


def text_width(text: str, letter: float) -> float:
    """Tell how wide a text is at most, when its letters have this size."""
    return letter * sum(0.4 if c in _NARROW else 1.0 if c in _WIDE else 0.75 if c.isupper() else 0.64 for c in text)


def of(box: Box, room: float) -> Size:
    """Tell how large a box is; one of many guests may be as wide as ``room``."""
    if box.cells:
        columns = columns_of(box, room)
        rows = math.ceil(len(box.cells) / columns)
        width = max(columns * cell_width(box), text_width(box.title, TEXT)) + 2 * PAD
        return Size(width, rows * CELL_HEIGHT + ROW + 2 * PAD)
    texts = [text_width(box.title, TITLE), *(text_width(line, TEXT) for line in box.lines)]
    round_ends = 2 * PAD if box.kind in ("network", "external", "router") else 0.0
    return Size(max(_LEAST_WIDTH, *texts) + 2 * PAD + round_ends, ROW * (1 + len(box.lines)) + 2 * PAD)


def columns_of(box: Box, room: float) -> int:
    """Tell how many cells are beside each other in a box of many guests."""
    wide = cell_width(box)
    wanted = math.ceil(math.sqrt(len(box.cells) * CELL_HEIGHT * _ASPECT / wide))
    most = max(1, min(_MOST_COLUMNS, int((room - 2 * PAD) / wide)))
    return min(wanted, most)


def cell_width(box: Box) -> float:
    """Tell how wide the cells of a box are."""
    return max(text_width(cell.title, TEXT) for cell in box.cells) + PAD
