"""Where a moment is on a picture, and how lengths of time are said."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Window:
    """The time that a picture shows, in seconds since the migration began."""

    start: float
    end: float

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.end - self.start

    def clip(self, start: float, end: float) -> Window | None:
        """Cut an interval to this window; None when nothing of it is in there."""
        if end < self.start or start > self.end:
            return None
        return Window(max(start, self.start), min(end, self.end))

    def __contains__(self, at: float) -> bool:
        return self.start <= at <= self.end


@dataclass(frozen=True)
class Scale:
    """Maps the moments of a window to ``left`` … ``left + width``, in the picture's units."""

    window: Window
    left: float
    width: float

    @property
    def right(self) -> float:
        """Where the window ends."""
        return self.left + self.width

    def x(self, at: float) -> float:
        """Say where a moment is."""
        return self.left + (at - self.window.start) / self.window.seconds * self.width

    def ticks(self, most: int = 10) -> list[tuple[float, str]]:
        """Choose round moments, ``most`` or fewer, and how to write them."""
        step = _round_step(self.window.seconds / most)
        decimals = max(0, -math.floor(math.log10(step) + 1e-9))
        first, last = math.ceil(self.window.start / step - 1e-9), math.floor(self.window.end / step + 1e-9)
        return [(count * step, f"{count * step:.{decimals}f}") for count in range(first, last + 1)]


def duration(seconds: float) -> str:
    """Say a length of time: 0.42 ms, 42.1 ms, 421 ms, 4.21 s."""
    if seconds >= 1:
        return f"{seconds:.2f} s"
    milliseconds = seconds * 1000
    return f"{milliseconds:.{2 if milliseconds < 10 else 1 if milliseconds < 100 else 0}f} ms"


def _round_step(at_least: float) -> float:
    """The next of 1, 2, 5, 10, 20, 50…"""
    magnitude: float = 10.0 ** math.floor(math.log10(at_least))
    return next(magnitude * factor for factor in (1, 2, 5, 10) if magnitude * factor >= at_least * (1 - 1e-9))
