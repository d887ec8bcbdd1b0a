"""Labs of many hosts on one screen."""

from __future__ import annotations

import argparse

import pytest

from fakevm.cli import fold, lab
from fakevm.lab.observation import SeenProgram

HOSTS = [f"compute{n}" for n in range(1, 101)]


def seen() -> list[SeenProgram]:
    """Look at a lab of a hundred hosts, on one of which an agent has died again and again."""
    rows = [SeenProgram("", "broker", "running", 60, 0, "")]
    # As folders are sorted.
    rows += [SeenProgram("", host, "running", 50, 0, "") for host in sorted(HOSTS)]
    for number, host in enumerate(HOSTS):
        ill = {"problem": "it died", "mend": f"fakevm lab restart {host}/agent"} if host == "compute7" else {}
        rows.append(SeenProgram(host, "agent", "running", number, number % 2, "alive", **ill))
        rows.append(SeenProgram(host, "ovs-vswitchd", "running", 40, 0, ""))
    return rows


def test_programs_that_are_alike_are_one_line_and_what_is_not_well_is_its_own() -> None:
    rows = lab._folded(seen(), HOSTS)
    assert [(row.host, row.program) for row in rows] == [
        ("", "broker"),
        ("", "compute1…compute100 (100)"),
        ("compute1…compute6, compute8…compute100 (99)", "agent"),
        ("compute1…compute100 (100)", "ovs-vswitchd"),
        ("compute7", "agent"),
    ]
    assert (rows[2].seconds, rows[2].restarts, rows[2].agent) == (0, 50, "alive")
    assert rows[-1].problem == "it died"


def test_few_that_are_alike_stay_as_they_are() -> None:
    few = [SeenProgram(host, "agent", "stopped", 1, 0, "down", "it is stopped", f"start {host}") for host in HOSTS[:3]]
    assert lab._folded(few, HOSTS) == few


@pytest.mark.parametrize(
    ("formatter", "every", "number", "wanted"),
    [("table", False, 41, True), ("table", True, 41, False), ("json", False, 41, False), ("table", False, 40, False)],
)
def test_only_people_who_want_a_summary_get_one(formatter: str, every: bool, number: int, wanted: bool) -> None:
    arguments = argparse.Namespace(formatter=formatter, all=every)
    assert fold.is_wanted(arguments, [None] * number) is wanted
