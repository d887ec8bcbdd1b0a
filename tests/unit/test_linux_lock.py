"""Locks of files and folders, between threads."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from fakevm.errors import Conflict, TimedOut
from fakevm.linux import lock


def test_who_waits_too_long_is_told_what_for(tmp_path: Path) -> None:
    waits: list[str] = []
    again = lock.held(tmp_path, 0.1, lambda: waits.append("once"))
    with lock.held(tmp_path, 1), pytest.raises(TimedOut, match=str(tmp_path)), again:
        pytest.fail("two have it")
    assert waits == ["once"]
    with lock.held(tmp_path, 0, lambda: waits.append("for nobody")):
        assert waits == ["once"]


def test_the_next_one_has_it_as_soon_as_it_is_free(tmp_path: Path) -> None:
    file = tmp_path / "lock"
    file.touch()
    taken, free = threading.Event(), threading.Event()

    def hold() -> None:
        with lock.held(file, 1):
            taken.set()
            free.wait(5)

    other = threading.Thread(target=hold)
    other.start()
    assert taken.wait(5)
    threading.Timer(0.2, free.set).start()
    begin = time.monotonic()
    with lock.held(file, 10):
        assert 0.1 < time.monotonic() - begin < 5
    other.join()


def test_who_comes_second_is_told_at_once_what_the_first_does(tmp_path: Path) -> None:
    file = tmp_path / "changing"
    second = lock.alone(file, "host start")
    says = r"lab apply is under way since .* UTC \(process \d+\)"
    with lock.alone(file, "lab apply"), pytest.raises(Conflict, match=says), second:
        pytest.fail("two have it")
    with lock.alone(file, "host stop"):
        assert file.read_text().startswith("host stop is")
