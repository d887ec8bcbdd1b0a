"""What Graphviz is asked, and what it answers: it knows boxes, hosts and lines by their numbers alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from .dot import quoted
from .order import Order
from .rectangle import Point, Rectangle
from .scene import Line, Scene
from .size import Size

GAP = 16.0
PROGRAMS = {"down": "dot", "right": "dot", "circle": "circo", "free": "sfdp"}
# It counts in inches.
_INCH = 72.0
_BETWEEN_LEVELS, _BETWEEN_COLUMNS = 56.0, 72.0


class Answer(NamedTuple):
    """Where boxes and hosts are, by their names, and how lines go."""

    boxes: dict[str, Rectangle]
    groups: dict[str, Rectangle]
    lines: dict[Line, tuple[Point, ...]]


def question(scene: Scene, chosen: Order, sizes: Mapping[str, Size], rows: Mapping[str, int]) -> str:
    """Write how large boxes are, what is in which host, and what is connected.

    :param rows: the row of each box of a level that is too wide for one
    """
    return "\n".join(_parts(scene, chosen, sizes, rows))


def _parts(scene: Scene, chosen: Order, sizes: Mapping[str, Size], rows: Mapping[str, int]) -> Iterator[str]:
    numbers = {box.key: f"b{number}" for number, box in enumerate(scene.boxes)}
    between = _BETWEEN_LEVELS if chosen.way == "down" else _BETWEEN_COLUMNS
    yield f"digraph {{ rankdir={'LR' if chosen.way == 'right' else 'TB'}; newrank=true;"
    yield 'splines=line; overlap=false; sep="+12";' if chosen.way == "free" else "splines=true; mindist=1.8;"
    yield f"nodesep={GAP / _INCH:.2f}; ranksep={between / _INCH:.2f};"
    yield "node [shape=box, fixedsize=true]; edge [dir=none];"
    inside: dict[str, list[str]] = defaultdict(list)
    for box in scene.boxes:
        wide, high = sizes[box.key]
        group = box.group if chosen.grouped and box.group in scene.groups else ""
        inside[group].append(f"{numbers[box.key]} [width={wide / _INCH:.3f}, height={high / _INCH:.3f}];")
    yield from inside[""]
    if chosen.grouped:
        yield from _hosts(scene, chosen, inside, numbers)
    yield from _lines(scene, chosen, numbers, rows)
    yield "}"


def _hosts(scene: Scene, chosen: Order, inside: Mapping[str, list[str]], numbers: Mapping[str, str]) -> Iterator[str]:
    for number, (name, label) in enumerate(scene.groups.items()):
        empty = f"h{number}"
        boxes = inside.get(name) or [f"{empty} [width=0.9, height=0.35];"]
        head = f"margin={GAP}; labelloc=b; label={quoted(label)};"
        yield f"subgraph cluster{number} {{ {head} {' '.join(boxes)} }}"
        if name not in inside and chosen.levels:
            # Beside those that have guests.
            top, deepest = next(iter(chosen.levels)), max(chosen.levels.values())
            yield f"{numbers[top]} -> {empty} [style=invis, minlen={deepest}];"


def _lines(scene: Scene, chosen: Order, numbers: Mapping[str, str], rows: Mapping[str, int]) -> Iterator[str]:
    for number, line in enumerate(scene.lines):
        upper, lower = chosen.levels.get(line.one, 0), chosen.levels.get(line.other, 0)
        one, other = (line.other, line.one) if upper > lower else (line.one, line.other)
        settings = [f"id={number}"]
        if chosen.grouped and upper == lower:
            settings.append("constraint=false")
        elif rows.get(other):
            settings.append(f"minlen={rows[other] + 1}")
        yield f"{numbers[one]} -> {numbers[other]} [{', '.join(settings)}];"


def answer(said: Mapping[str, Any], scene: Scene) -> Answer:
    """Read what it says (-Tjson0), where y grows upwards."""
    top = float(said["bb"].split(",")[3])
    found = Answer({}, {}, {})
    hosts = list(scene.groups)
    keys: dict[int, str] = {}
    for thing in said.get("objects", ()):
        name = str(thing["name"])
        if name.startswith("cluster"):
            left, low, right, high = map(float, thing["bb"].split(","))
            where = Rectangle(left, top - high, right - left, high - low)
            found.groups[hosts[int(name.removeprefix("cluster"))]] = where
        elif name.startswith("b"):
            keys[thing["_gvid"]] = key = scene.boxes[int(name[1:])].key
            x, y = map(float, thing["pos"].split(","))
            wide, high = float(thing["width"]) * _INCH, float(thing["height"]) * _INCH
            found.boxes[key] = Rectangle(x - wide / 2, top - y - high / 2, wide, high)
    for edge in said.get("edges", ()):
        if "id" in edge:
            line = scene.lines[int(edge["id"])]
            points = [(float(x), top - float(y)) for x, y in (pair.split(",") for pair in edge["pos"].split())]
            found.lines[line] = tuple(points if keys[edge["tail"]] == line.one else points[::-1])
    return found
