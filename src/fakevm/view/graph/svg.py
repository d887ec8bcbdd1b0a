"""A lab as SVG: light or dark as the reader's screen is, and complete in itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import resources
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from fakevm.view.element import element

from . import ends, legend, size
from .layout import Layout, lay_out
from .order import order
from .rectangle import Point, Rectangle
from .scene import Box, Line, Scene, hosts_in_boxes
from .size import CELL_HEIGHT, PAD, ROW

_MARGIN = 14.0
_ABOVE = 18.0
_ROUND = 6.0


def draw(scene: Scene) -> str:
    """Draw a scene. Raises Prerequisite: Graphviz is not installed."""
    chosen = order(scene)
    scene = scene if chosen.grouped else hosts_in_boxes(scene)
    layout = lay_out(scene, chosen)
    frame = _frame(scene, layout)
    key = legend.draw(scene.kinds, frame.x, frame.y + frame.height + 10)
    wide = max(frame.width, key.width)
    high = frame.height + key.height + 10
    view = f"{frame.x - _MARGIN:.0f} {frame.y - _MARGIN:.0f} {wide + 2 * _MARGIN:.0f} {high + 2 * _MARGIN:.0f}"
    style = resources.files("fakevm.view.graph").joinpath("graph.css").read_text()
    drawn = [
        element("rect", x=frame.x - _MARGIN, y=frame.y - _MARGIN, width="100%", height="100%", class_="paper"),
        *(part for name, there in layout.groups.items() for part in _host(scene.groups.get(name, name), there)),
        *(part for line, points in layout.lines.items() for part in _line(line, points)),
        *(part for box in scene.boxes for part in _box(box, layout)),
        *_words_at_ends(layout),
        *key.drawn,
    ]
    root = element(
        "svg", element("title", scene.title), element("style", style), *drawn,
        xmlns="http://www.w3.org/2000/svg", viewBox=view, width=wide + 2 * _MARGIN, height=high + 2 * _MARGIN,
        role="img",
    )  # fmt: skip
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def _frame(scene: Scene, layout: Layout) -> Rectangle:
    """Give the rectangle around all."""
    there = [*layout.boxes.values(), *layout.groups.values()] or [Rectangle(0, 0, 200, 40)]
    points = [point for line in layout.lines.values() for point in line]
    left = min([one.x for one in there] + [x for x, _ in points])
    top = min([one.y for one in there] + [y for _, y in points])
    right = max([one.x + one.width for one in there] + [x for x, _ in points])
    low = max([one.y + one.height for one in there] + [y for _, y in points])
    return Rectangle(left, top, right - left, low - top)


def _host(said: str, there: Rectangle) -> Iterator[Element]:
    yield element(
        "rect", element("title", f"host {said}"),
        x=there.x, y=there.y, width=there.width, height=there.height, rx=_ROUND, class_="host",
    )  # fmt: skip
    yield element("text", said, x=there.x + 8, y=there.y + there.height - 6, class_="of-host")


def _line(line: Line, points: Sequence[Point]) -> Iterator[Element]:
    first, *rest = (f"{x:.1f} {y:.1f}" for x, y in points)
    path = f"M{first}C{' '.join(rest)}"
    kind = " ".join(filter(None, ("line", line.kind, line.state)))
    yield element("path", element("title", line.tip) if line.tip else None, d=path, class_=kind)
    if line.label:
        x, y = ends.along(points, 0.5)
        yield element("text", line.label, x=x, y=y + 4, class_=f"label {line.state}".strip())


def _words_at_ends(layout: Layout) -> Iterator[Element]:
    for label in ends.place(layout):
        x, y = label.there.middle
        yield element("text", label.text, x=x, y=y + 3.5, class_="end")


def _box(box: Box, layout: Layout) -> Iterator[Element]:
    there = layout.boxes[box.key]
    yield element("g", element("title", box.tip) if box.tip else None, *_shape(box, there), *_inside(box, layout),
                  class_=" ".join(filter(None, ("box", box.kind, box.state))))  # fmt: skip


def _shape(box: Box, there: Rectangle) -> Iterator[Element]:
    radius = {"network": there.height / 2, "external": there.height / 2, "router": 14.0}.get(box.kind, 4.0)
    yield element("rect", x=there.x, y=there.y, width=there.width, height=there.height, rx=radius)


def _inside(box: Box, layout: Layout) -> Iterator[Element]:
    there = layout.boxes[box.key]
    middle, _ = there.middle
    top = there.y + PAD + ROW - 4
    if not box.cells:
        yield element("text", box.title, x=middle, y=top, class_="title")
        for number, line in enumerate(box.lines, 1):
            yield element("text", line, x=middle, y=top + number * ROW, class_="words")
        return
    yield element("text", box.title, x=there.x + PAD, y=top, class_="many")
    columns = size.columns_of(box, layout.room)
    wide = size.cell_width(box)
    for number, cell in enumerate(box.cells):
        x, y = there.x + PAD + number % columns * wide, there.y + PAD + ROW + number // columns * CELL_HEIGHT
        kind = " ".join(filter(None, ("cell", cell.state)))
        yield element(
            "g", element("title", cell.tip),
            element("rect", x=x + 2, y=y + 2, width=wide - 4, height=CELL_HEIGHT - 4, rx=3),
            element("text", cell.title, x=x + wide / 2, y=y + CELL_HEIGHT / 2 + 4, class_="words"),
            class_=kind,
        )  # fmt: skip
