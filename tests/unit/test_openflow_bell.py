"""No ring is lost between the threads of the OpenFlow controller."""

from __future__ import annotations

import threading

import pytest
from fakevm_openflow.bell import Bell


def test_rings_are_heard_once() -> None:
    bell = Bell()
    assert not bell.heard(0)
    bell.ring()
    bell.ring()
    assert bell.heard(0)
    assert not bell.heard(0)


def test_a_ring_just_after_the_time_is_up_is_heard_the_next_time(monkeypatch: pytest.MonkeyPatch) -> None:
    bell = Bell()
    wait = threading.Event.wait

    def waited(event: threading.Event, timeout: float | None = None) -> bool:
        rung = wait(event, timeout)
        bell.ring()
        return rung

    with monkeypatch.context() as patched:
        patched.setattr(threading.Event, "wait", waited)
        assert not bell.heard(0)
    assert bell.heard(0)
