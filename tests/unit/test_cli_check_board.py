"""What of many checks is shown where the screen is small."""

from __future__ import annotations

from fakevm.cli.check_board import Board, line
from fakevm.model.check import CheckResult, Status


def result(name: str, status: Status) -> CheckResult:
    return CheckResult(
        name=name, kind="ping", source="a", target="b", expect="passes", status=status, seen="s", seconds=1, attempts=1
    )


def board(statuses: dict[str, Status | None], waiting: int = 0) -> Board:
    """Have a board of checks that ended, or run (None), and of some that wait."""
    made = Board([*statuses, *(f"w{number}" for number in range(waiting))])
    for name, status in statuses.items():
        made.tell(name, None)
        if status:
            made.tell(name, result(name, status))
    return made


def test_what_runs_and_what_is_not_met_is_shown_first() -> None:
    made = board({"a": "met", "b": "failed", "c": "met", "d": "error", "e": None}, waiting=2)
    assert made.shown(3) == ["b", "d", "e"]
    assert made.shown(4) == ["b", "c", "d", "e"]
    assert made.shown(6) == ["a", "b", "c", "d", "e", "w0"]
    assert made.shown(99) == ["a", "b", "c", "d", "e", "w0", "w1"]
    assert made.shown(-5) == ["e"]


def test_all_are_counted_and_the_step_that_runs_is_named() -> None:
    made = board({"a": "met", "b": "failed", "c": None}, waiting=1)
    assert made.summary() == "2 of 4 ended: 1 met, 1 failed"
    made.began("host2 comes back")
    made.seen("1 of 3 alive")
    assert made.summary() == "2 of 4 ended: 1 met, 1 failed; host2 comes back (0 s): 1 of 3 alive"
    made.ended("host2 comes back", 2.0)
    assert made.summary() == "2 of 4 ended: 1 met, 1 failed"


def test_what_failed_says_what_was_expected() -> None:
    assert line(result("a", "met")) == "met       1.0 s  a: s"
    assert line(result("a", "failed")) == "failed    1.0 s  a: s (expected: passes)"
