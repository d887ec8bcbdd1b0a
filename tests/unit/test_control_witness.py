"""What is said of a guest that no longer answers the one that watches its migration."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import cast

import pytest

from fakevm.control.agents import Agents
from fakevm.control.migration import witness

SENT, ANSWER = json.dumps(["sent", 1, 100.0]), json.dumps(["answer", 1, 100.01])


class Prober:
    """Has said what it has said: nothing more comes."""

    def __init__(self, *lines: str) -> None:
        self._lines = list(lines)

    def lines(self) -> list[str]:
        return self._lines

    stop = lines


@pytest.fixture
def watching(monkeypatch: pytest.MonkeyPatch) -> Callable[..., witness.Witness]:
    """Give a witness whose prober has said certain lines."""
    monkeypatch.setattr(witness, "PATIENCE", 0.1)
    monkeypatch.setattr(witness, "STEADY", 0.0)
    watcher = witness.Watcher("watcher", "watcher", "h", "n", ("10.0.0.6/24",), "p")

    def made(*lines: str) -> witness.Witness:
        monkeypatch.setattr(witness, "Observer", lambda *_: Prober(*lines))
        return witness.Witness(cast("Agents", None), watcher, "10.0.0.5", 0.01)

    return made


def test_a_guest_that_fell_silent_is_told(
    watching: Callable[..., witness.Witness], caplog: pytest.LogCaptureFixture
) -> None:
    probes, _ = watching(SENT, ANSWER).stop(began=0.0)
    assert [bool(probe.answers) for probe in probes] == [True]
    assert "watcher has had no answer from 10.0.0.5 for 0.1 s" in caplog.text


def test_of_one_that_never_answered_that_was_told_before(
    watching: Callable[..., witness.Witness], caplog: pytest.LogCaptureFixture
) -> None:
    watching(SENT).stop(began=0.0)
    assert caplog.text == ""
