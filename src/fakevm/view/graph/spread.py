"""Layers of guests with links between them, as a leaf-spine network has: across the whole width, by their names.

Graphviz keeps the few of an upper layer close together, in any order, and so draws many lines over each other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from operator import itemgetter

from fakevm.model.series import ordered

from .order import Order
from .rectangle import Point, Rectangle
from .scene import Line, Scene
from .size import Size

_GAP, _MARGIN = 16.0, 20.0
# Between layers: the wider they are the further, so that lines do not lie flat.
_LEAST, _MOST, _SLOPE = 70.0, 240.0, 0.2
# What one bows out that passes others of its layer.
_BOW = 46.0


def fits(scene: Scene, chosen: Order) -> bool:
    """Tell whether a scene is such layers: guests of one host, each line within a layer or to the next."""
    levels = chosen.levels
    if chosen.way != "down" or not levels or len({box.group for box in scene.boxes}) > 1:
        return False
    near = all(abs(levels[line.one] - levels[line.other]) <= 1 for line in scene.lines)
    return near and all(line.kind == "link" for line in scene.lines) and len(levels) == len(scene.boxes)


def place(scene: Scene, chosen: Order, sizes: Mapping[str, Size], widest: float) -> dict[str, Rectangle] | None:
    """Say where the boxes are; None when a layer would be wider than ``widest``."""
    titles = {box.key: box.title for box in scene.boxes}
    layers: dict[int, list[str]] = defaultdict(list)
    for key in ordered(titles):
        layers[chosen.levels[key]].append(key)
    wide = max(sum(sizes[key].width + _GAP for key in layer) for layer in layers.values())
    if wide > widest:
        return None
    found, top = {}, _MARGIN
    for level in sorted(layers):
        layer = layers[level]
        gap = (wide - sum(sizes[key].width for key in layer)) / len(layer)
        left = _MARGIN + gap / 2
        for key in layer:
            found[key] = Rectangle(left, top, *sizes[key])
            left += sizes[key].width + gap
        top += max(sizes[key].height for key in layer) + min(_MOST, max(_LEAST, wide * _SLOPE))
    return found


def group(boxes: Mapping[str, Rectangle], bowed: bool) -> Rectangle:
    """Give the rectangle of the host around all."""
    right = max(there.x + there.width for there in boxes.values()) + _MARGIN
    low = max(there.y + there.height for there in boxes.values()) + _MARGIN + (_BOW if bowed else 0)
    return Rectangle(0.0, 0.0, right, low)


def curves(lines: Sequence[Line], boxes: Mapping[str, Rectangle]) -> dict[Line, tuple[Point, ...]]:
    """Lead lines straight from box to box, from places of their own, and below those of a layer that are between."""
    places = _places(lines, boxes)
    return {line: _curve(line, boxes, places) for line in lines}


Places = Mapping[tuple[str, Line], float]


def _places(lines: Sequence[Line], boxes: Mapping[str, Rectangle]) -> Places:
    """Say where on a side of its box each line begins that leads to another layer: in the order of where they lead."""
    sides: dict[tuple[str, bool], list[tuple[float, Line]]] = defaultdict(list)
    for line in lines:
        for key, far in ((line.one, line.other), (line.other, line.one)):
            if boxes[key].y != boxes[far].y:
                sides[key, boxes[far].y > boxes[key].y].append((boxes[far].middle[0], line))
    found = {}
    for (key, _), leading in sides.items():
        there, step = boxes[key], boxes[key].width / (len(leading) + 1)
        for number, (_, line) in enumerate(sorted(leading, key=itemgetter(0)), 1):
            found[key, line] = there.x + step * number
    return found


def _curve(line: Line, boxes: Mapping[str, Rectangle], places: Places) -> tuple[Point, ...]:
    one, other = boxes[line.one], boxes[line.other]
    if one.y == other.y:
        return _beside(one, other, boxes)
    begin, end = (places[key, line] for key in (line.one, line.other))
    if one.y < other.y:
        return _straight((begin, one.y + one.height), (end, other.y))
    return _straight((begin, one.y), (end, other.y + other.height))


def is_bowed(lines: Sequence[Line], boxes: Mapping[str, Rectangle]) -> bool:
    """Tell whether a line passes others of the last layer."""
    last = max(there.y for there in boxes.values())
    return any(
        boxes[line.one].y == boxes[line.other].y == last and _between(boxes[line.one], boxes[line.other], boxes)
        for line in lines
    )


def _beside(one: Rectangle, other: Rectangle, boxes: Mapping[str, Rectangle]) -> tuple[Point, ...]:
    left, right = (one, other) if one.x < other.x else (other, one)
    if _between(one, other, boxes):
        low = left.y + left.height
        begin, end = (left.middle[0], low), (right.middle[0], low)
        points: tuple[Point, ...] = (begin, (begin[0], low + _BOW), (end[0], low + _BOW), end)
    else:
        points = _straight((left.x + left.width, left.middle[1]), (right.x, right.middle[1]))
    return points if left is one else points[::-1]


def _between(one: Rectangle, other: Rectangle, boxes: Mapping[str, Rectangle]) -> bool:
    left, right = sorted((one.x, other.x))
    return any(there.y == one.y and left < there.x < right for there in boxes.values())


def _straight(begin: Point, end: Point) -> tuple[Point, ...]:
    (x, y), (u, v) = begin, end
    return begin, (x + (u - x) / 3, y + (v - y) / 3), (u - (u - x) / 3, v - (v - y) / 3), end
