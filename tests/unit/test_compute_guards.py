"""The compute API's guards: who may do what, what bad input does, what becomes of servers when things go wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fakevm.compute.api import BLUEPRINTS
from fakevm.compute.shelves import Shelves
from fakevm.compute.web import application
from fakevm.lab import compute_api

from .test_compute_api import (
    COMPUTE,
    IMAGE,
    KEY,
    NETWORK,
    OTHERS,
    PORT,
    PROJECT,
    Agents,
    Client,
    Later,
    Reach,
    asked,
    message,
    server,
)


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


@pytest.mark.parametrize(
    ("path", "version"),
    [
        (f"{COMPUTE}/flavors?limit=²", ""),
        (f"{COMPUTE}/servers?limit={'9' * 5000}", ""),
        (f"{COMPUTE}/flavors", f"2.{'1' * 5000}"),
    ],
)
def test_numbers_that_are_none(world: World, path: str, version: str) -> None:
    assert world.member("GET", path, version=version).status_code == 400


def test_a_marker_that_is_no_image(world: World) -> None:
    assert world.member("GET", f"{IMAGE}/images?marker=fakevm").get_json()["images"] == []


@pytest.mark.parametrize("path", ["servers", "os-keypairs", "servers/{}/action"])
def test_a_body_of_lists_in_lists(world: World, path: str) -> None:
    where = f"{COMPUTE}/{path.format(server(world.shelves).id)}"
    assert world.member("POST", where, b"[" * 100_000).status_code == 400


@pytest.mark.parametrize("wish", [{"uuid": "x/../../ports"}, {"uuid": "?name=x"}, {"port": "?device_id="}])
def test_ids_that_are_none_do_not_reach_neutron(world: World, wish: dict[str, str]) -> None:
    refused = world.member("POST", f"{COMPUTE}/servers", asked(world.shelves, networks=[wish]), "2.37")
    assert (refused.status_code, "is not a 'uuid'" in message(refused)) == (400, True)


def test_names_that_a_terminal_would_obey_or_no_path_leads_to(world: World) -> None:
    bad = asked(world.shelves, name="web\x1b[2J")
    assert world.member("POST", f"{COMPUTE}/servers", bad, "2.37").status_code == 400
    path = f"{COMPUTE}/servers/{server(world.shelves).id}"
    assert world.member("PUT", path, {"server": {"name": "a\nb"}}).status_code == 400
    shown = world.member("PUT", path, {"server": {"hostname": "../Web 1"}}, "2.90").get_json()["server"]
    assert shown["OS-EXT-SRV-ATTR:hostname"] == "web-1"
    named = {"keypair": {"name": "a/b", "public_key": KEY}}
    assert world.member("POST", f"{COMPUTE}/os-keypairs", named).status_code == 400


@pytest.mark.parametrize(
    ("length", "found"), [(None, 3), (2, 2), ("2", 2), (3, 3), (4, 3), (5, 3), (100, 3), (0, 0), (-1, 3), ("x", 400)]
)
def test_the_last_lines_of_a_console_log(
    world: World, monkeypatch: pytest.MonkeyPatch, length: Any, found: int
) -> None:
    monkeypatch.setattr(Agents, "console_log", lambda *_: "1\n2\n3\n", raising=False)
    action = f"{COMPUTE}/servers/{server(world.shelves).id}/action"
    told = world.member("POST", action, {"os-getConsoleOutput": {"length": length}})
    assert (len(told.get_json()["output"].splitlines()) if told.status_code == 200 else told.status_code) == found
