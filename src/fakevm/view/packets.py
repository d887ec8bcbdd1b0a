"""The lane of the probes: a stroke for each, when it was sent."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element

from fakevm.model.migration import Probe
from fakevm.probe import outcome

from . import lanes
from .element import element
from .scale import Scale, duration

HEIGHT = 54
_LOWEST, _HIGHEST = 6, 34
# So many probes or fewer have room for broad strokes.
_FEW = 150


def draw(probes: Sequence[Probe], scale: Scale, y: float) -> list[Element]:
    """Draw the probes that were sent in the scale's window, the top of the lane being at ``y``."""
    shown = [probe for probe in probes if probe.sent in scale.window]
    answered = [probe for probe in shown if probe.answers]
    late = outcome.reordered(probes)
    slowest = max((_rtt(probe) for probe in probes if probe.answers), default=0)
    bottom = y + HEIGHT
    tops = {probe.number: bottom - _height(probe, slowest) for probe in answered}
    strokes = "".join(
        f"M{scale.x(probe.sent):.1f} {bottom:.1f}V{tops[probe.number]:.1f}" for probe in lanes.thin_out(answered, scale)
    )
    broad = " broad" if len(shown) <= _FEW else ""
    drawn = [element("path", d=strokes, class_=f"answered{broad}")] if strokes else []
    drawn += [_lost(run, scale, y, broad) for run in lanes.losses(shown)]
    for probe in answered:
        x, top = scale.x(probe.sent), tops[probe.number]
        if len(probe.answers) > 1:
            drawn.append(_ring(x, top, f"probe {probe.number}: answered {len(probe.answers)} times"))
        if probe.number in late:
            drawn.append(
                _triangle(x, top, f"probe {probe.number}: answered after a later one, {duration(_rtt(probe))}")
            )
    return drawn


def legend(x: float, y: float) -> list[Element]:
    """Say what the strokes mean; ``y`` is the words' base line."""
    drawn = [
        element("path", d=f"M{x + 3:.1f} {y:.1f}v-9", class_="answered"),
        element("path", d=_cross(x + 252, y - 4), class_="lost"),
    ]
    drawn += [_ring(x + 312, y - 4, ""), _triangle(x + 434, y - 4, "")]
    words = ((10, "answered (height: round-trip time)"), (261, "lost"), (321, "answered twice"), (444, "overtaken"))
    return drawn + [element("text", said, x=x + offset, y=y, class_="faint") for offset, said in words]


def _lost(lost: Sequence[Probe], scale: Scale, y: float, broad: str) -> Element:
    """Draw probes that were lost one after the other, with crosses where there is room for them."""
    strokes, crosses, free = "", "", float("-inf")
    for probe in lanes.thin_out(lost, scale):
        x = scale.x(probe.sent)
        strokes += f"M{x:.1f} {y + 8:.1f}V{y + HEIGHT:.1f}"
        if x >= free:
            crosses += _cross(x, y + 3)
            free = x + 9
    first, last = lost[0], lost[-1]
    title = f"probes {first.number} to {last.number}, sent from {first.sent:.3f} s to {last.sent:.3f} s: lost"
    if len(lost) == 1:
        title = f"probe {first.number}, sent at {first.sent:.3f} s: lost"
    parts = element("path", d=strokes, class_=f"lost{broad}"), element("path", d=crosses, class_="lost")
    return element("g", element("title", title), *parts)


def _cross(x: float, y: float) -> str:
    return f"M{x - 3:.1f} {y - 3:.1f}l6 6m0 -6l-6 6"


def _ring(x: float, y: float, title: str) -> Element:
    return element("circle", element("title", title) if title else None, cx=x, cy=y, r=3.5, class_="twice")


def _triangle(x: float, y: float, title: str) -> Element:
    d = f"M{x - 4.5:.1f} {y - 4:.1f}h9l-4.5 8z"
    return element("path", element("title", title) if title else None, d=d, class_="overtaken")


def _height(probe: Probe, slowest: float) -> float:
    share = max(0.0, _rtt(probe) / slowest) ** 0.5 if slowest > 0 else 0
    return _LOWEST + (_HIGHEST - _LOWEST) * share


def _rtt(probe: Probe) -> float:
    return probe.answers[0] - probe.sent
