"""A delay line: what it takes leaves in its time and order; what comes fast is looked at now and then."""

from __future__ import annotations

import fcntl
import socket
import time
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from fakevm.link.delay_line import Line
from fakevm.waiting import until


class Wire(NamedTuple):
    line: Line
    far: socket.socket

    def give(self, *numbers: int) -> None:
        """Send a frame for each number, and have the line look."""
        for number in numbers:
            self.far.send(bytes([number]) * 100)
        self.line.take()

    def came(self) -> list[int]:
        """Give the numbers of the frames that have come back."""
        numbers = []
        while True:
            try:
                numbers.append(self.far.recv(1000)[0])
            except BlockingIOError:
                return numbers


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    """Give a line behind a socket, which keeps frames apart as a tap does."""
    monkeypatch.setattr(fcntl, "ioctl", lambda *_: 0)
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with near, far:
        near.setblocking(False)
        far.setblocking(False)
        yield Wire(Line(near.fileno(), near.fileno()), far)


def test_frames_leave_after_their_delay_in_their_order(wire: Wire) -> None:
    wire.line.tell({"delay": 0.05, "whole": False})
    begin = time.monotonic()
    wire.give(1, 2, 3)
    wire.line.release()
    assert wire.came() == [] or time.monotonic() - begin >= 0.05
    assert wire.line.wait() is not None
    seen: list[int] = []

    def lacking() -> str:
        wire.line.release()
        seen.extend(wire.came())
        return "" if len(seen) == 3 else str(seen)

    until(lacking, "frames are still held", 20.0, pause=0.001)
    assert time.monotonic() - begin >= 0.05
    assert seen == [1, 2, 3]
    assert wire.line.wait() is None
    assert wire.line.counts() == {"taken": 3, "sent": 3, "dropped": 0, "held": 0}


def test_large_pieces_that_come_fast_are_looked_at_now_and_then_until_none_comes(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [10**12]
    monkeypatch.setattr(time, "monotonic_ns", lambda: now[0])
    wire.line.tell({"delay": 0.001, "whole": True})
    wire.give(1)
    assert not wire.line.is_busy
    now[0] += 100_000
    wire.give(2)
    assert wire.line.is_busy
    assert wire.line.wait() == pytest.approx(0.00015)
    # Its time has nearly come.
    now[0] += 850_000
    wire.line.release()
    assert wire.came() == [1]
    wire.give()
    assert not wire.line.is_busy
    now[0] += 100_000
    wire.line.release()
    assert wire.came() == []
    now[0] += 50_000
    wire.line.release()
    assert wire.came() == [2]


def test_single_frames_are_always_looked_at_when_they_come(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "monotonic_ns", lambda: 10**12)
    wire.line.tell({"delay": 0.001, "whole": False})
    for number in range(3):
        wire.give(number)
        assert not wire.line.is_busy
