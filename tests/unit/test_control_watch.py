"""Waiting for ports while Neutron has much to do, and when it is gone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pytest

from fakevm.control.lookout import Lookout
from fakevm.control.watch import ActiveWatch
from fakevm.errors import Busy, FakevmError, TimedOut, Unreachable

PORT = {"id": "p", "status": "ACTIVE", "binding:vif_type": "ovs"}


class Neutron:
    """Answers one after the other; the last for ever."""

    def __init__(self, *answers: object) -> None:
        self._answers: Iterator[object] = iter(answers)
        self._last: object = None

    def ports(self, *_: Any, **__: Any) -> list[dict[str, str]]:
        self._last = next(self._answers, self._last)
        if isinstance(self._last, FakevmError):
            raise self._last
        return cast(list[dict[str, str]], self._last)


def test_who_waits_waits_on_while_neutron_is_busy() -> None:
    busy = Busy("no answer within 30 s")
    ActiveWatch(cast(Any, Neutron(busy, busy, [PORT]))).wait("p", 30)
    with pytest.raises(TimedOut):
        ActiveWatch(cast(Any, Neutron(busy))).wait("p", 0.3)
    with pytest.raises(Unreachable, match="nobody"):
        ActiveWatch(cast(Any, Neutron(Unreachable("nobody answers")))).wait("p", 30)


def test_neutron_may_be_busy_for_longer_than_it_may_be_away(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    for problem, still, gone in ((Unreachable("nobody"), 8.0, 10.0), (Busy("busy"), 60.0, 100.0)):
        now = 1.0
        lookout = Lookout(cast(Any, Neutron(problem)), cast(Any, None))
        lookout.exists("p")
        assert lookout.deleted() is None
        now = still
        assert lookout.deleted() is None
        now = gone
        assert lookout.deleted() is problem
