"""What is written at the ends of lines: the names of interfaces, where there is room for all of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from . import size
from .layout import Layout
from .rectangle import Point, Rectangle

# How far from its box a word may be, in parts of the line, the nearest first.
_PLACES = (0.0, 0.04, 0.08, 0.13, 0.18, 0.24, 0.3, 0.36, 0.42)
_HEIGHT = 12.0
_STEPS = 48


@dataclass(frozen=True)
class Label:
    """A word, and where it is."""

    text: str
    there: Rectangle


def place(layout: Layout) -> list[Label]:
    """Find room for the word at each end of each line, near its box; none where there is none for all of them.

    Some without the others would mislead: who sees a line without a word takes it for one without an interface.
    """
    taken = [*layout.boxes.values()]
    placed: list[Label] = []
    for text, points in _wanted(layout):
        found = next((there for there in _candidates(text, points) if _is_free(there, taken)), None)
        if found is None:
            return []
        taken.append(found)
        placed.append(Label(text, found))
    return placed


def along(points: Sequence[Point], part: float) -> Point:
    """Give the point of a row of Bézier curves that is so far along it, in parts of the whole."""
    curves = (len(points) - 1) // 3
    at = min(part * curves, curves - 1e-9)
    number = int(at)
    return _bezier(points[number * 3 : number * 3 + 4], at - number)


def _bezier(four: Sequence[Point], t: float) -> Point:
    weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
    return (sum(w * x for w, (x, _) in zip(weights, four, strict=True)),
            sum(w * y for w, (_, y) in zip(weights, four, strict=True)))  # fmt: skip


def _wanted(layout: Layout) -> Iterator[tuple[str, Sequence[Point]]]:
    for line, points in layout.lines.items():
        if line.near:
            yield line.near, points
        if line.far:
            yield line.far, points[::-1]


def _candidates(text: str, points: Sequence[Point]) -> Iterator[Rectangle]:
    wide = size.text_width(text, size.SMALL) + 2
    for part in _PLACES:
        x, y = along(points, part)
        if part == 0.0:
            # Just outside of the box: as far as the word itself takes.
            x, y = _clear_of(points, wide)
        yield Rectangle(x - wide / 2, y - _HEIGHT / 2, wide, _HEIGHT)


def _clear_of(points: Sequence[Point], wide: float) -> Point:
    """Go along a line until a word centred there is beside the point where it begins."""
    x0, y0 = points[0]
    for step in range(1, _STEPS):
        x, y = along(points, step / _STEPS / 2)
        if abs(x - x0) >= wide / 2 + 3 or abs(y - y0) >= _HEIGHT / 2 + 3:
            return x, y
    return along(points, 0.25)


def _is_free(there: Rectangle, taken: Iterable[Rectangle]) -> bool:
    return not any(there.touches(other) for other in taken)
