"""In which order a picture is read: which boxes are above which others, or that they are in a circle."""

from __future__ import annotations

import re
from collections import Counter, defaultdict, deque
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from .scene import Scene

Way = Literal["down", "right", "circle", "free"]
# A circle of more is too large to be seen as one; then what belongs together is near each other.
_LARGEST_CIRCLE = 24
# A row of more boxes than this is too long.
_LONGEST_ROW = 8
# Of the lines of a picture in levels at least this part leads from one level to another.
_BETWEEN_LEVELS = 0.5

Neighbours = Mapping[str, Collection[str]]


@dataclass(frozen=True)
class Order:
    """How a scene is laid out, and the level of each box that has one, from 0 at the top."""

    way: Way
    levels: Mapping[str, int]

    @property
    def grouped(self) -> bool:
        """Whether the guests of a host can be drawn within it."""
        return self.way in ("down", "right")


def order(scene: Scene) -> Order:
    """Choose it for a scene."""
    near = _neighbours(scene)
    tops = _tops(scene)
    if tops:
        return Order("down", _with_the_rest(scene, near, tops))
    degrees = Counter({key: len(others) for key, others in near.items()})
    if not degrees:
        return Order("down", {})
    if max(degrees.values()) <= 2:
        return _row_or_ring(scene, near, degrees)
    core = _core(degrees)
    levels = _distances(near, core)
    if len(core) < len(near) and len(levels) == len(near) and _leads_on(near, levels):
        return Order("down", levels)
    return Order("circle" if len(near) <= _LARGEST_CIRCLE else "free", {})


def _row_or_ring(scene: Scene, near: Neighbours, degrees: Counter[str]) -> Order:
    if 1 in degrees.values() and len(near) == len(scene.boxes) <= _LONGEST_ROW:
        first = next(key for key in near if degrees[key] == 1)
        return Order("right", _distances(near, [first]))
    return Order("circle" if len(near) <= _LARGEST_CIRCLE else "free", {})


def _tops(scene: Scene) -> list[str]:
    """Name the boxes at the top: external networks, else routers, networks, bridges."""
    for kind in ("external", "router", "network", "bridge"):
        if found := [box.key for box in scene.boxes if box.kind == kind]:
            return found
    return []


def _with_the_rest(scene: Scene, near: Neighbours, tops: Iterable[str]) -> dict[str, int]:
    """Give the levels of all: networks that lead nowhere are beside the others."""
    levels = _distances(near, tops)
    kinds = {box.key: box.kind for box in scene.boxes}
    for kind in ("network", "bridge"):
        depth = max((level for key, level in levels.items() if kinds[key] == kind), default=0)
        left = [key for key, of in kinds.items() if of == kind and key not in levels]
        levels |= {key: level + depth for key, level in _distances(near, left).items() if key not in levels}
    return levels


def _neighbours(scene: Scene) -> dict[str, dict[str, None]]:
    found: dict[str, dict[str, None]] = defaultdict(dict)
    for line in scene.lines:
        if line.one != line.other:
            found[line.one][line.other] = found[line.other][line.one] = None
    return found


def _distances(near: Neighbours, tops: Iterable[str]) -> dict[str, int]:
    found = dict.fromkeys(tops, 0)
    waiting = deque(found)
    while waiting:
        key = waiting.popleft()
        for other in near.get(key, ()):
            if other not in found:
                found[other] = found[key] + 1
                waiting.append(other)
    return found


def _core(degrees: Counter[str]) -> list[str]:
    """Name what has the most lines, and those that are called as it is, but for their number: all the spines."""
    best = degrees.most_common(1)[0][0]
    stem = _stem(best)
    return [key for key in degrees if _stem(key) == stem] if stem else [best]


def _stem(key: str) -> str:
    return re.sub(r"\d+$", "", key)


def _leads_on(near: Neighbours, levels: Mapping[str, int]) -> bool:
    pairs = [(key, other) for key, others in near.items() for other in others]
    return sum(levels[key] != levels[other] for key, other in pairs) >= _BETWEEN_LEVELS * len(pairs)
