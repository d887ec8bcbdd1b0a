"""The compute API's guards: who may do what, what bad input does, what becomes of servers when things go wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fakevm.compute.api import BLUEPRINTS
from fakevm.compute.shelves import Shelves
from fakevm.compute.web import application
from fakevm.lab import compute_api

from .test_compute_api import COMPUTE, NETWORK, OTHERS, PORT, PROJECT, Client, Later, Reach, asked, message, server


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


# -- who may do what -------------------------------------------------------------------------------------------------


def test_a_reader_deletes_no_group_of_servers(world: World) -> None:
    body = {"server_group": {"name": "g", "policies": ["affinity"]}}
    made = world.member("POST", f"{COMPUTE}/os-server-groups", body).get_json()["server_group"]
    path = f"{COMPUTE}/os-server-groups/{made['id']}"
    reader, stranger = world.client("reader"), world.client("member,reader", OTHERS)
    assert reader("GET", path).status_code == 200
    assert reader("DELETE", path).status_code == 403
    assert stranger("GET", path).status_code == stranger("DELETE", path).status_code == 404
    assert world.member("DELETE", path).status_code == 204


def test_a_locked_server_is_not_deleted(world: World) -> None:
    known = server(world.shelves, locked="")
    path = f"{COMPUTE}/servers/{known.id}"
    refused = world.member("DELETE", path)
    assert (refused.status_code, message(refused)) == (409, f"Instance {known.id} is locked")
    assert world.admin("DELETE", path).status_code == 204


def test_a_port_of_another_project_is_not_plugged(world: World) -> None:
    """Who owns a network sees the ports of others on it."""
    theirs = {"id": PORT, "network_id": NETWORK, "device_id": "", "project_id": OTHERS}
    world.neutron.known.append(theirs)
    refused = world.member("POST", f"{COMPUTE}/servers", asked(world.shelves, networks=[{"port": PORT}]), "2.37")
    assert (refused.status_code, "not usable" in message(refused)) == (400, True)
    known = server(world.shelves)
    world.neutron.known = [theirs]
    body = {"interfaceAttachment": {"port_id": PORT}}
    refused = world.admin("POST", f"{COMPUTE}/servers/{known.id}/os-interface", body)
    assert (refused.status_code, "not usable" in message(refused)) == (400, True)


def test_an_external_network_is_for_administrators(world: World) -> None:
    world.neutron.nets[0] |= {"router:external": True}
    body = asked(world.shelves)
    refused = world.member("POST", f"{COMPUTE}/servers", body, "2.37")
    assert (refused.status_code, "external network" in message(refused)) == (403, True)
    known = server(world.shelves)
    attach = {"interfaceAttachment": {"net_id": NETWORK}}
    refused = world.member("POST", f"{COMPUTE}/servers/{known.id}/os-interface", attach)
    assert (refused.status_code, "external network" in message(refused)) == (403, True)
    assert world.admin("POST", f"{COMPUTE}/servers", body, "2.37").status_code == 202
    world.neutron.nets[0] |= {"shared": True}
    assert world.member("POST", f"{COMPUTE}/servers", body, "2.37").status_code == 202


# -- bad input -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("user_data", ["not base64!", "QUJD" * 20_000])
def test_a_rebuild_with_bad_user_data_is_refused_before_the_guest_is_gone(world: World, user_data: str) -> None:
    known = server(world.shelves)
    told = {"imageRef": known.image, "user_data": user_data}
    refused = world.member("POST", f"{COMPUTE}/servers/{known.id}/action", {"rebuild": told}, "2.57")
    assert (refused.status_code, "User data" in message(refused)) == (400, True)
    assert world.shelves.servers.get(known.id) == known
