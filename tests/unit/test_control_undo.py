"""Taking back what was done."""

from __future__ import annotations

import threading
import time

import pytest

from fakevm.control.job import Job, Stopped, all_in_background
from fakevm.control.undo import Undo
from fakevm.errors import PlugFailed, Refused


def test_the_last_is_taken_back_first_and_all_are_tried() -> None:
    order: list[str] = []

    def fail() -> None:
        order.append("fail")
        raise PlugFailed("stuck")

    def surprise() -> None:
        raise ValueError("odd")

    undo = Undo()
    undo.add("deleted a", lambda: order.append("a"))
    undo.add("unplugged b", fail)
    undo.add("unplugged c", surprise)
    undo.add("unplugged d", lambda: order.append("d"))
    told = undo.run()
    assert order == ["d", "fail", "a"]
    assert "Undone: unplugged d, deleted a." in told
    assert "not unplugged b: stuck" in told
    assert "ValueError: odd" in told
    assert undo.run() == ""


def test_a_failed_job_says_what_it_took_back() -> None:
    job = Job()

    def work() -> None:
        with job.step():
            job.undo.add("deleted it", lambda: None)
        raise Refused("no", hint="why")

    with pytest.raises(Refused) as caught:
        job.run(work)
    assert caught.value.hint == "why\nUndone: deleted it."


def test_steps_under_way_are_waited_for_and_none_begins_after_a_failure() -> None:
    job = Job()
    seen: list[str] = []
    begun = threading.Event()

    def slow() -> None:
        with job.step():
            begun.set()
            time.sleep(0.2)
            job.undo.add("took back slow", lambda: seen.append("undone"))
            seen.append("slow ended")
        with pytest.raises(Stopped), job.step():
            pass
        seen.append("stopped")

    def failing() -> None:
        begun.wait(5)
        raise Refused("no")

    with pytest.raises(Refused):
        job.run(lambda: all_in_background([slow, failing]))
    assert seen[:1] == ["slow ended"]
    assert "undone" in seen


def test_an_interrupt_takes_back_too() -> None:
    job = Job()
    taken_back: list[bool] = []

    def work() -> None:
        with job.step():
            job.undo.add("took it back", lambda: taken_back.append(True))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        job.run(work)
    assert taken_back == [True]
