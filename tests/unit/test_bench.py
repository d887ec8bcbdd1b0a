"""The parts of the measurements that only reckon."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from fakevm.lab import reading

ROOT = Path(__file__).parents[2]


def load(name: str) -> ModuleType:
    """Import a module of the folder ``bench``, which is no part of what is installed."""
    if str(ROOT) not in sys.path:
        sys.path.append(str(ROOT))
    return importlib.import_module(f"bench.{name}")


figure, curve, scale, without_neutron = load("figure"), load("curve"), load("scale"), load("without_neutron")


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


def test_a_curve_has_a_line_for_each_backend_in_each_panel() -> None:
    figures = [
        {"topic": f"{name}, {hosts} hosts", "name": panel.figure, "value": hosts * factor}
        for name, factor in (("ML2/OVS", 2.0), ("ML2/OVN", 1.0))
        for hosts in (10, 100)
        for panel in curve.PANELS
    ]
    drawn = curve.picture({"machine": {"cores": 2, "loop_before": 0.05}, "figures": figures})
    lines = list(drawn.iter("polyline"))
    assert len(lines) == 2 * len(curve.PANELS)
    assert lines[0].get("points") == "36.0,180.0 360.0,0.0"
    assert lines[1].get("points") == "36.0,190.0 360.0,100.0"
    assert [one.tag for one in curve.picture({"machine": {"cores": 2, "loop_before": 0.05}, "figures": []})]


def test_a_lab_for_which_there_is_no_room_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scale.lab, "have_template", lambda: None)
    monkeypatch.setattr(scale.psutil, "virtual_memory", lambda: SimpleNamespace(available=3000 * 2**20))
    tried: list[tuple[str, int]] = []

    def measure(one: Any) -> None:
        tried.append((one._backend, one._number))
        raise SystemExit("bench: fakevm lab up … ended with 1")

    monkeypatch.setattr(scale._Scale, "measure", measure)
    scale.measure(False, [])
    assert tried == [("ovs", 10)]


def test_many_guests_of_a_lab_without_neutron_are_linked_in_pairs() -> None:
    lab = reading.parse(without_neutron.many(120), "many")
    assert (lab.neutron, len(lab.guests), len(lab.links)) == (False, 120, 60)
