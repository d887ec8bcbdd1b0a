"""A lab is a list of parts, ordered by what they need."""

from __future__ import annotations

import ast
from graphlib import CycleError
from pathlib import Path
from typing import Any, cast

import pytest

from fakevm.backend import base as backends
from fakevm.lab import lifecycle, planning, reading
from fakevm.lab.part import Part, Run, bring_up, ordered
from fakevm.lab.parts import PARTS, parts_of
from fakevm.model.plan import LabPlan
from fakevm.progress import Progress


def plan_of(text: str, tmp_path: Path) -> LabPlan:
    lab = reading.parse(text, "file")
    lab = planning.completed(lab, backends.load(lab.backend))
    return planning.make_plan(lab, tmp_path, {lab.release: tmp_path}, kernel_datapath=False)


def made(log: list[str], **needs: str) -> list[Part]:
    """Make parts that say what is done with them, by what each needs."""

    def kind(part: str) -> type[Part]:
        class Told(Part):
            name = part
            title = part.upper()
            needs = tuple(wanted[part].split())

            def begin(self, run: Run) -> None:
                log.append(f"begin {part}")

            def wait(self, run: Run) -> None:
                log.append(f"wait {part}")

        return Told

    wanted = needs
    return [kind(part)(cast(Any, None), cast(Any, None)) for part in wanted]


def run() -> Run:
    return Run(cast(Any, None), Progress(), 1.0)


def test_what_can_begin_begins_before_anything_is_waited_for() -> None:
    log: list[str] = []
    bring_up(made(log, database="", server="database", broker="", hosts="server broker"), run())
    assert log == [
        "begin database", "begin broker", "wait database", "begin server", "wait server", "wait broker",
        "begin hosts", "wait hosts",
    ]  # fmt: skip


def test_the_steps_are_shown_as_they_are_waited_for() -> None:
    now = run()
    bring_up(made([], database="", server="database"), now)
    assert [title for title, _ in now.progress.steps] == ["DATABASE", "SERVER"]


def test_what_a_lab_does_not_have_is_not_waited_for() -> None:
    log: list[str] = []
    bring_up(made(log, hosts="server broker"), run())
    assert log == ["begin hosts", "wait hosts"]


def test_parts_that_need_one_another_are_refused() -> None:
    parts = {part.name: part for part in made([], one="two", two="one")}
    with pytest.raises(CycleError):
        list(ordered(parts))


def test_each_part_is_known_by_one_name_and_needs_others_that_are_there(tmp_path: Path) -> None:
    names = [part.name for part in PARTS]
    assert len(set(names)) == len(names)
    assert {need for part in PARTS for need in part.needs} <= set(names)
    assert list(ordered({part.name: part for part in parts_of(plan_of("{}", tmp_path), backends.load("ovs"))}))


def test_a_lab_comes_up_in_this_order(tmp_path: Path) -> None:
    parts = {part.name: part for part in parts_of(plan_of("{}", tmp_path), backends.load("ovs"))}
    waits = [step.part for step in ordered(parts) if not step.begins and parts[step.part].title]
    assert waits == ["database", "broker", "server", "hosts"]
    steps = [(step.part, step.begins) for step in ordered(parts)]
    assert steps.index(("server", True)) < steps.index(("broker", False))


def test_the_start_of_a_lab_knows_no_part() -> None:
    tree = ast.parse(Path(lifecycle.__file__).read_text())
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert not imported & {part.__module__.rpartition(".")[2] for part in PARTS}
    assert not imported & {part.__name__ for part in PARTS}
