"""What the colours and shapes of a picture mean: of those that are in it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from fakevm.view.element import element

from . import size

_BOXES = {"guest": "guest", "network": "network", "external": "external network", "router": "router",
          "bridge": "bridge", "far": "elsewhere"}  # fmt: skip
_LINES = {"port": "port of Neutron's", "gateway": "way out", "link": "link"}
_STATES = {
    "stopped": "stopped guest",
    "cut": "link that is cut",
    "down": "link that is down",
    "waiting": "its far end has not answered",
    "lost": "its far end is lost",
    "impaired": "link that is impaired or shaped",
}
_SWATCH, _HEIGHT, _GAP = 22.0, 16.0, 18.0


@dataclass(frozen=True)
class Legend:
    """A row of samples with their meanings."""

    drawn: tuple[Element, ...]
    width: float
    height: float = _HEIGHT


def draw(kinds: Collection[str], x: float, y: float) -> Legend:
    """Draw the samples that explain these kinds of boxes and lines, and these states (``cut state``)."""
    there = {"guest" if kind == "guests" else kind for kind in kinds}
    rows = [("box", kind, said) for kind, said in _BOXES.items() if kind in there]
    rows += [("line", kind, said) for kind, said in _LINES.items() if kind in there]
    rows += [(("box guest " if state == "stopped" else "line link "), state, said)
             for state, said in _STATES.items() if f"{state} state" in there]  # fmt: skip
    drawn: list[Element] = []
    at = x
    for shape, kind, said in rows:
        drawn.append(_sample(f"{shape} {kind}", at, y))
        drawn.append(element("text", said, x=at + _SWATCH + 6, y=y + 11, class_="key"))
        at += _SWATCH + 6 + size.text_width(said, size.SMALL) + _GAP
    return Legend(tuple(drawn), at - x)


def _sample(kind: str, x: float, y: float) -> Element:
    if kind.startswith("line"):
        return element("path", d=f"M{x:.1f} {y + 7:.1f}H{x + _SWATCH:.1f}", class_=kind)
    radius = 7 if "network" in kind or "external" in kind else 5 if "router" in kind else 2
    return element("g", element("rect", x=x, y=y, width=_SWATCH, height=14, rx=radius), class_=kind)
