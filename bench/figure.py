"""A measured figure and its goal, as a line of a table and as JSON."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import statistics
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Figure:
    """A figure. ``goal`` is the most that it should be, in the same ``unit``, or the ``least``; None: there is none."""

    topic: str
    name: str
    value: float
    unit: str
    goal: float | None = None
    note: str = ""
    least: bool = False

    @property
    def verdict(self) -> str:
        """Say whether the goal is met; empty without one."""
        if self.goal is None:
            return ""
        if self.least:
            return "ok" if self.value >= self.goal else "below"
        return "ok" if self.value <= self.goal else "over"


def middle(values: Sequence[float]) -> float:
    """Give the median."""
    return statistics.median(values)


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Say in words how far values lie apart."""
    return f"n={len(values)}, {min(values):.{digits}f} to {max(values):.{digits}f}"


def loop() -> float:
    """Give the seconds of two million turns of a loop: how fast the machine is just now, by the median of five.

    Where others compute on the same machine, it says more than the load: figures of two runs compare as their loops do.
    """

    def once() -> float:
        begin = time.perf_counter()
        total = 0
        for number in range(2_000_000):
            total += number * number
        return time.perf_counter() - begin

    return middle([once() for _ in range(5)])


def machine() -> dict[str, Any]:
    """Describe what the figures were measured on."""
    return {
        "cores": os.cpu_count(),
        "memory_mb": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20,
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load_before": os.getloadavg()[0],
        "loop_before": loop(),
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def table(figures: Iterable[Figure]) -> str:
    """Lay figures out, with a heading for each topic."""
    lines: list[str] = []
    topic = ""
    for figure in figures:
        if figure.topic != topic:
            topic = figure.topic
            lines += ["", topic]
        goal = "" if figure.goal is None else f"{'>=' if figure.least else '<='} {figure.goal:g}"
        value = f"{figure.value:10.2f} {figure.unit:<4}"
        lines.append(f"  {figure.name:<52}{value}{goal:>9}  {figure.verdict:<5}{figure.note}".rstrip())
    return "\n".join(lines).lstrip("\n")


def write(path: Path, figures: Iterable[Figure], where: dict[str, Any]) -> None:
    """Write figures as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    listed = [dataclasses.asdict(figure) | {"verdict": figure.verdict} for figure in figures]
    path.write_text(json.dumps({"machine": where, "figures": listed}, indent=2) + "\n")
