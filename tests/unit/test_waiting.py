"""One way to wait: a deadline, what was last seen, and an end when what is waited for is gone."""

from __future__ import annotations

import itertools
import time

import pytest

from fakevm.errors import Gone, PlugFailed, TimedOut
from fakevm.waiting import remains, until


def test_until_all_is_as_it_should_be() -> None:
    looks = iter(["starting", "nearly", ""])
    until(lambda: next(looks), "it did not start", 60, pause=0)
    assert next(looks, None) is None


def test_the_deadline_says_what_was_last_seen() -> None:
    looks = (f"look {number}" for number in itertools.count())
    with pytest.raises(TimedOut, match=r"^it did not start within 0\.05 s; last seen: look [1-9]") as caught:
        until(lambda: next(looks), "it did not start", 0.05, pause=0.01, hint="See its log.")
    assert caught.value.hint == "See its log."


def test_it_is_looked_once_more_when_the_time_is_over() -> None:
    looks = iter(["not yet", ""])
    until(lambda: next(looks), "it did not start", 0.05, pause=3600)


def test_what_is_gone_is_waited_for_no_more() -> None:
    def require() -> None:
        raise Gone("it was deleted meanwhile")

    began = time.monotonic()
    with pytest.raises(Gone):
        until(lambda: "not yet", "it did not start", 3600, require=require)
    assert time.monotonic() - began < 60


def test_the_error_is_the_callers() -> None:
    with pytest.raises(PlugFailed):
        until(lambda: "no tag", "tap1 was not wired", 0, error=PlugFailed)


def test_what_remains_is_told_and_no_error() -> None:
    assert remains(lambda: "two devices", 0) == "two devices"
    assert remains(lambda: "", 0) == ""
