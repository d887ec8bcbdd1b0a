"""The compute API's guards: who may do what, what bad input does, what becomes of servers when things go wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fakevm.compute.api import BLUEPRINTS
from fakevm.compute.shelves import Shelves
from fakevm.compute.web import application
from fakevm.lab import compute_api

from .test_compute_api import PROJECT, Client, Later, Reach, message


class World:
    """An API, all its data, and clients of it."""

    def __init__(self, folder: Path) -> None:
        self.shelves = Shelves(Reach(folder), folder / "state.sqlite")  # type: ignore[arg-type]
        self.shelves.pool = self.shelves.endings = Later()  # type: ignore[assignment]
        self.neutron: Any = self.shelves.reach.neutron
        self._client = application.make(make(self.shelves) for make in BLUEPRINTS).test_client()
        self.admin, self.member = self.client("admin,member,reader"), self.client("member,reader")

    def client(self, roles: str, project: str = PROJECT) -> Client:
        return Client(self._client, roles, project)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_what_nobody_expected_names_the_log_that_there_is(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world.shelves.reach, "images", lambda: 1 / 0)
    refused = world.member("GET", "/image/v2/images")
    assert refused.status_code == 500
    assert f"'{compute_api.NAME}'" in message(refused)
