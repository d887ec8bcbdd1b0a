"""What commands have come across is forgotten before each test."""

from __future__ import annotations

import pytest

from fakevm.control import known


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known, "_titles", {})
    monkeypatch.setattr(known, "_guests", {})
