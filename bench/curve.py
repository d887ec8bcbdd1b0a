"""``python -m bench.curve RESULTS.json PICTURE.svg``: draws what ``bench/run --only scale`` measured."""

from __future__ import annotations

import json
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from fakevm.view.element import element

# Hosts, and what was measured of them.
Points = list[tuple[int, float]]


class Panel(NamedTuple):
    """One of the pictures: the figure that it shows, and how its values are written."""

    title: str
    figure: str
    unit: str
    divisor: float = 1.0


PANELS = (
    Panel("until all pairs of guests answer", "all until then and all pairs answer", "s"),
    Panel("memory", "memory (PSS)", "GB", 1024.0),
    Panel("processor until then", "  processor until then", "s"),
    Panel("cores taken when idle", "idle: cores taken", ""),
)
COLOURS = {"ML2/OVS": "#0b6bcb", "ML2/OVN": "#c2410c"}
WIDTH, HEIGHT, LEFT, TOP, GAP = 360.0, 200.0, 52.0, 64.0, 84.0
STYLE = """
text { font: 12px system-ui, sans-serif; fill: #24292f }
.title { font-weight: 600 } .faint { fill: #57606a } .grid { stroke: #d0d7de; stroke-width: 1 }
.paper { fill: #fff }
@media (prefers-color-scheme: dark) {
  .paper { fill: #0d1117 } text { fill: #e6edf3 } .faint { fill: #9da7b3 } .grid { stroke: #30363d }
}
"""


def points(figures: Iterable[Mapping[str, Any]], name: str) -> dict[str, Points]:
    """Give what was measured under a name, by backend."""
    found: defaultdict[str, Points] = defaultdict(list)
    for figure in figures:
        topic = re.fullmatch(r"(.+), (\d+) hosts", figure["topic"])
        if topic and figure["name"] == name:
            found[topic[1]].append((int(topic[2]), float(figure["value"])))
    return dict(found)


def picture(results: Mapping[str, Any]) -> Element:
    """Draw a panel for each kind of figure, two in a row."""
    rows = (len(PANELS) + 1) // 2
    width, height = 2 * (LEFT + WIDTH) + 48, TOP + rows * (HEIGHT + GAP)
    svg = element("svg", xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {width:.0f} {height:.0f}", role="img")
    svg.append(element("style", STYLE))
    svg.append(element("rect", class_="paper", width=width, height=height))
    where = results["machine"]
    said = f"{where['cores']} cores; two million turns of a loop: {where['loop_before']:.2f} s"
    svg.append(element("text", said, class_="faint", x=LEFT, y=24))
    for turn, (name, colour) in enumerate(COLOURS.items()):
        at = width - 220 + 110 * turn
        svg.append(element("circle", cx=at, cy=20, r=4, fill=colour))
        svg.append(element("text", name, x=at + 10, y=24))
    for number, panel in enumerate(PANELS):
        left, top = LEFT + (number % 2) * (WIDTH + LEFT), TOP + number // 2 * (HEIGHT + GAP)
        drawn = element("g", transform=f"translate({left:.0f} {top:.0f})")
        drawn.extend(_panel(panel, points(results["figures"], panel.figure)))
        svg.append(drawn)
    return svg


def _panel(panel: Panel, measured: Mapping[str, Points]) -> Iterable[Element]:
    every = [(number, value / panel.divisor) for line in measured.values() for number, value in line]
    most_hosts = max((number for number, _ in every), default=1)
    step = _round(max((value for _, value in every), default=1) / 4)
    most = step * 4
    unit = f" ({panel.unit})" if panel.unit else ""
    yield element("text", panel.title + unit, class_="title", x=0, y=-14)
    for turn in range(5):
        y = HEIGHT - HEIGHT * turn / 4
        yield element("line", class_="grid", x1=0, x2=WIDTH, y1=y, y2=y)
        yield element("text", f"{turn * step:g}", class_="faint", x=-8, y=y + 4, text_anchor="end")
    for number in sorted({number for number, _ in every}):
        x = WIDTH * number / most_hosts
        yield element("text", str(number), class_="faint", x=x, y=HEIGHT + 18, text_anchor="middle")
    yield element("text", "hosts", class_="faint", x=WIDTH, y=HEIGHT + 36, text_anchor="end")
    for name, line in measured.items():
        spots = [(WIDTH * n / most_hosts, HEIGHT - HEIGHT * v / panel.divisor / most) for n, v in sorted(line)]
        yield from _line(spots, COLOURS.get(name, "#57606a"), name)


def _line(spots: Sequence[tuple[float, float]], colour: str, name: str) -> Iterable[Element]:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in spots)
    yield element("polyline", element("title", name), points=path, fill="none", stroke=colour, stroke_width=2)
    for x, y in spots:
        yield element("circle", cx=x, cy=y, r=3.5, fill=colour)


def _round(at_least: float) -> float:
    """The next of 1, 2, 2.5, 5, 10, times a power of ten."""
    magnitude = 1e-6
    while magnitude * 10 < at_least:
        magnitude *= 10
    return next(magnitude * factor for factor in (1, 2, 2.5, 5, 10) if magnitude * factor >= at_least * (1 - 1e-9))


def main() -> None:
    """Read, draw, write."""
    source, target = map(Path, sys.argv[1:])
    drawn = picture(json.loads(source.read_text()))
    target.write_text(ElementTree.tostring(drawn, encoding="unicode") + "\n")


if __name__ == "__main__":
    main()
