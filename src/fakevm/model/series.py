"""Many names in few words: those of hosts that are alike differ by a number."""

from __future__ import annotations

import re
from collections.abc import Iterable

# Fewer are quicker read one by one.
_LEAST = 3


def spans(names: Iterable[str]) -> str:
    """Write names in their order, and those that count on in short: ``compute1…compute99, network1``."""
    runs: list[list[str]] = []
    for name in names:
        if runs and _follows(runs[-1][-1], name):
            runs[-1].append(name)
        else:
            runs.append([name])
    return ", ".join(f"{run[0]}…{run[-1]}" if len(run) >= _LEAST else ", ".join(run) for run in runs)


def ordered(names: Iterable[str]) -> list[str]:
    """Sort names as people count: compute2 comes before compute10."""
    return sorted(names, key=_parts)


def _follows(one: str, other: str) -> bool:
    stem, number = _parts(one)
    return number >= 0 and _parts(other) == (stem, number + 1)


def _parts(name: str) -> tuple[str, int]:
    """Split a name into its stem and the number at its end, -1 when there is none; zeros before it are of the stem."""
    found = re.fullmatch(r"(.*?)(0|[1-9]\d*)", name)
    return (found[1], int(found[2])) if found else (name, -1)
