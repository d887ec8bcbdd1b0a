"""Where everything in a picture is: Graphviz's programs say it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass

from fakevm.errors import CommandFailed, Prerequisite
from fakevm.linux import process

from . import graphviz, size, spread
from .graphviz import GAP
from .order import Order
from .rectangle import Point, Rectangle
from .scene import Line, Scene
from .size import Size

# What a screen has room for, in units; a level may be a little wider before it is made two rows.
ROOM = 1360.0
_STRETCH = 1.15
_LEAST_ROOM = 240.0
_PATIENCE = 120.0


@dataclass(frozen=True)
class Layout:
    """Where boxes, hosts and lines are; a line is a row of Bézier curves: a point, then three for each curve.

    ``room`` is how wide a box of many guests may be.
    """

    boxes: Mapping[str, Rectangle]
    groups: Mapping[str, Rectangle]
    lines: Mapping[Line, tuple[Point, ...]]
    room: float


def lay_out(scene: Scene, chosen: Order) -> Layout:
    """Lay a scene out. Raises Prerequisite: Graphviz is not installed."""
    hosts = {box.group for box in scene.boxes if box.cells}
    room = max(_LEAST_ROOM, ROOM / max(1, len(hosts)) - 4 * GAP)
    sizes = {box.key: size.of(box, room) for box in scene.boxes}
    if spread.fits(scene, chosen) and (boxes := spread.place(scene, chosen, sizes, ROOM)):
        host = scene.boxes[0].group
        around = {host: spread.group(boxes, spread.is_bowed(scene.lines, boxes))} if host else {}
        return Layout(boxes, around, spread.curves(scene.lines, boxes), room)
    asked = graphviz.question(scene, chosen, sizes, _rows(chosen, sizes))
    return Layout(*graphviz.answer(json.loads(_run(graphviz.PROGRAMS[chosen.way], asked)), scene), room)


def _run(program: str, asked: str) -> str:
    try:
        return process.run([program, "-Tjson0"], stdin=asked, timeout=_PATIENCE)
    except Prerequisite as exc:
        raise Prerequisite(
            f"the picture is laid out by Graphviz, and there is no program {program}",
            hint="As root: apt-get install graphviz. -f dot, -f mermaid and -f json need it not.",
        ) from exc
    except CommandFailed as exc:
        raise CommandFailed("Graphviz could not lay the picture out", hint=str(exc)) from exc


def _rows(chosen: Order, sizes: Mapping[str, Size]) -> dict[str, int]:
    """Give the boxes of a level that is too wide the row in which each is."""
    if chosen.way != "down":
        return {}
    found: dict[str, int] = {}
    for level in sorted(set(chosen.levels.values()) - {0}):
        members = [key for key, there in chosen.levels.items() if there == level]
        wide = sum(sizes[key].width + GAP for key in members)
        rows = math.ceil(wide / (ROOM * _STRETCH))
        found |= {key: index % rows for index, key in enumerate(members)}
    return found
