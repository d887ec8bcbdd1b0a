"""The parts of the measurements that only reckon."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


def load(name: str) -> ModuleType:
    """Import a module of the folder ``bench``, which is no part of what is installed."""
    if str(ROOT) not in sys.path:
        sys.path.append(str(ROOT))
    return importlib.import_module(f"bench.{name}")


figure = load("figure")


@pytest.mark.parametrize(("value", "goal", "verdict"), [(3, 3, "ok"), (2, 3, "ok"), (3.1, 3, "over"), (9, None, "")])
def test_a_goal_is_the_most_that_may_be(value: float, goal: float | None, verdict: str) -> None:
    assert figure.Figure("t", "n", value, "s", goal).verdict == verdict


def test_the_table_has_a_heading_for_each_topic_and_a_verdict_for_each_goal() -> None:
    text = figure.table(
        [
            figure.Figure("A", "one", 1, "s", 3),
            figure.Figure("A", "two", 4, "s", 3),
            figure.Figure("B", "three", 5, "MB"),
        ]
    )
    lines = text.splitlines()
    assert [line for line in lines if line and not line.startswith(" ")] == ["A", "B"]
    assert lines[1].split() == ["one", "1.00", "s", "<=", "3", "ok"]
    assert lines[2].split()[-1] == "over"
    assert lines[-1].split() == ["three", "5.00", "MB"]


def test_what_is_written_can_be_read(tmp_path: Path) -> None:
    file = tmp_path / "new/results.json"
    figure.write(file, [figure.Figure("A", "one", 1.5, "s", 1)], figure.machine())
    read = json.loads(file.read_text())
    assert read["figures"][0]["verdict"] == "over"
    assert read["machine"]["cores"] > 0


def test_the_slowest_imports_come_first() -> None:
    text = (
        "import time: self [us] | cumulative | imported package\n"
        "import time:       250 |        250 |   small\n"
        "noise\n"
        "import time:      4000 |       4250 | large\n"
    )
    assert load("execution").parse_importtime(text) == [("large", 4.0), ("small", 0.25)]
