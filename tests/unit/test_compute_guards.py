"""The compute API's guards: who may do what, what bad input does, what becomes of servers when things go wrong."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from fakevm.compute import reach
from fakevm.compute.api import BLUEPRINTS, finding
from fakevm.compute.model.service import ServiceRecord
from fakevm.compute.shelves import Shelves
from fakevm.compute.web import application, serving
from fakevm.compute.work import clearing, moving, power, starting, watching
from fakevm.compute.work.building import Building
from fakevm.compute.work.ending import Ending
from fakevm.compute.work.noting import note
from fakevm.errors import AgentDown, NotFound, PlugFailed, Unreachable
from fakevm.lab import compute_api
from fakevm.model.event import Event

from .test_compute_api import (
    COMPUTE,
    IMAGE,
    KEY,
    NETWORK,
    OTHERS,
    PORT,
    PROJECT,
    USER,
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


@pytest.mark.parametrize(
    ("state", "body"),
    [
        ("stopped", {"migrate": None}),
        ("stopped", {"os-migrateLive": {"host": None}}),
        ("paused", {"os-migrateLive": {"host": None}}),
    ],
)
def test_what_could_only_fail_later_is_refused(world: World, state: str, body: dict[str, Any]) -> None:
    known = server(world.shelves, vm_state=state)
    refused = world.admin("POST", f"{COMPUTE}/servers/{known.id}/action", body)
    assert (refused.status_code, f"vm_state {state}" in message(refused)) == (409, True)


def test_no_interface_is_taken_from_a_paused_server(world: World) -> None:
    known = server(world.shelves, vm_state="paused")
    assert world.member("DELETE", f"{COMPUTE}/servers/{known.id}/os-interface/{PORT}").status_code == 409


@pytest.mark.parametrize("state", ["active", "paused", "suspended"])
def test_one_that_sleeps_is_woken_before_it_is_rebooted(
    world: World, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    done = []
    monkeypatch.setattr(Agents, "resume", lambda *_: done.append("resumed"), raising=False)
    monkeypatch.setattr(power, "switched", lambda *_: done.append("rebooted"))
    power.reboot(world.shelves)(Agents(), server(world.shelves, vm_state=state))  # type: ignore[arg-type]
    assert done == ["resumed"] * (state != "active") + ["rebooted"]


def test_one_that_was_woken_for_a_reboot_that_fails_is_not_shown_asleep(
    world: World, hosts: Hosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any) -> Any:
        raise PlugFailed("its port does not become ACTIVE")

    known = server(world.shelves, vm_state="paused")
    hosts.guests = {("compute1", known.id)}
    monkeypatch.setattr(OnHost, "resume", lambda *_: None, raising=False)
    monkeypatch.setattr(power, "switched", fails)
    body = {"reboot": {"type": "HARD"}}
    assert world.member("POST", f"{COMPUTE}/servers/{known.id}/action", body).status_code == 202
    world.shelves.pool.run()  # type: ignore[attr-defined]
    shown = world.shelves.servers.get(known.id)
    assert shown and (shown.status, shown.task_state) == ("ACTIVE", None)


# -- two at once -----------------------------------------------------------------------------------------------------


def test_of_two_actions_at_once_one_is_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    known = server(world.shelves)
    action = f"{COMPUTE}/servers/{known.id}/action"
    both = threading.Barrier(2)

    def found(*given: Any) -> Any:
        server = finding.find(*given)
        both.wait(10)
        return server

    monkeypatch.setattr("fakevm.compute.api.server_actions.find", found)
    with ThreadPoolExecutor(2) as pool:
        answers = pool.map(lambda word: world.member("POST", action, {word: None}).status_code, ("os-stop", "pause"))
        assert sorted(answers) == [202, 409]
    assert len(world.shelves.pool.works) == len(world.shelves.actions.all()) == 1  # type: ignore[attr-defined]


def test_a_resize_is_confirmed_once(world: World) -> None:
    action = f"{COMPUTE}/servers/{server(world.shelves, vm_state='resized').id}/action"
    assert world.member("POST", action, {"confirmResize": None}).status_code == 204
    assert world.member("POST", action, {"confirmResize": None}).status_code == 409
    assert world.member("POST", action, {"revertResize": None}).status_code == 409


def test_a_detachment_leaves_the_task_of_what_waits_for_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    known = server(world.shelves)
    monkeypatch.setattr(watching.Attaching, "__init__", lambda *_, **__: None)
    monkeypatch.setattr(watching.Attaching, "detach", lambda *_, **__: None)
    path = f"{COMPUTE}/servers/{known.id}"
    assert world.member("DELETE", f"{path}/os-interface/{PORT}").status_code == 202
    assert world.member("POST", f"{path}/action", {"os-stop": None}).status_code == 202
    ((do, *given), stop) = world.shelves.pool.works  # type: ignore[attr-defined]
    do(*given)
    assert world.member("POST", f"{path}/action", {"os-stop": None}).status_code == 409
    do, *given = stop
    do(*given)
    shown = world.shelves.servers.get(known.id)
    assert shown and shown.task_state is None


# -- what is left ----------------------------------------------------------------------------------------------------


class Hosts(Agents):
    """Hosts that have guests; those that are down cannot be asked."""

    def __init__(self, down: str = "") -> None:
        self.down = down
        self.guests: set[tuple[str, str]] = set()

    def require(self, *hosts: str) -> None:
        if self.down in hosts:
            raise AgentDown("it is down")

    def known(self) -> list[str]:
        return self.alive()

    def on(self, host: str) -> Any:
        return OnHost(self, host)


class OnHost:
    """The agent of one of them."""

    def __init__(self, hosts: Hosts, host: str) -> None:
        self._hosts, self._host = hosts, host

    def start(self, guest: Any) -> None:
        self._hosts.guests.add((self._host, guest.id))

    def show_guest(self, guest: str) -> None:
        self._hosts.require(self._host)
        if (self._host, guest) not in self._hosts.guests:
            raise NotFound("no such guest")

    def console_log(self, guest: str, _most: int) -> str:
        self.show_guest(guest)
        return f"of {self._host}"

    def remove(self, guest: str) -> bool:
        self._hosts.require(self._host)
        there = (self._host, guest) in self._hosts.guests
        self._hosts.guests.discard((self._host, guest))
        return there


@pytest.fixture
def hosts(world: World, monkeypatch: pytest.MonkeyPatch) -> Hosts:
    made = Hosts()

    @contextmanager
    def agents() -> Iterator[Hosts]:
        yield made

    monkeypatch.setattr(world.shelves.reach, "agents", agents)
    return made


def test_a_server_that_was_moved_without_the_api_is_deleted_where_it_is(world: World, hosts: Hosts) -> None:
    known = server(world.shelves)
    world.neutron.known[0]["binding:host_id"] = "compute2"
    hosts.guests = {("compute2", known.id)}
    Ending(world.shelves).end(known.id)
    assert (hosts.guests, world.shelves.servers.all()) == (set(), [])


def test_one_without_ports_is_looked_for(world: World, hosts: Hosts, monkeypatch: pytest.MonkeyPatch) -> None:
    known = server(world.shelves)
    world.neutron.known = []
    hosts.guests = {("compute2", known.id)}
    monkeypatch.setattr("fakevm.compute.work.ending.Guests.__init__", lambda *_: None)
    monkeypatch.setattr("fakevm.compute.work.ending.Guests.home", lambda *_: "compute2")
    Ending(world.shelves).end(known.id)
    assert (hosts.guests, world.shelves.servers.all()) == (set(), [])


@pytest.mark.parametrize("down", ["", "compute1"])
def test_one_that_was_moved_without_the_api_is_acted_on_where_it_is(
    world: World, hosts: Hosts, monkeypatch: pytest.MonkeyPatch, down: str
) -> None:
    known = server(world.shelves)
    hosts.down, hosts.guests = down, {("compute2", known.id)}
    monkeypatch.setattr("fakevm.compute.work.home.Guests.__init__", lambda *_: None)
    monkeypatch.setattr("fakevm.compute.work.home.Guests.home", lambda *_: "compute2")
    where: list[str] = []
    monkeypatch.setattr(power, "switched", lambda _n, _a, server, *_: where.append(server.host) or {})
    action = f"{COMPUTE}/servers/{known.id}/action"
    assert world.member("POST", action, {"os-stop": None}).status_code == 202
    world.shelves.pool.run()  # type: ignore[attr-defined]
    shown = world.shelves.servers.get(known.id)
    assert (where, shown and shown.host) == (["compute2"], "compute2")


def test_the_console_of_one_that_was_moved_without_the_api(
    world: World, hosts: Hosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = server(world.shelves)
    hosts.guests = {("compute2", known.id)}
    monkeypatch.setattr("fakevm.compute.work.home.Guests.__init__", lambda *_: None)
    monkeypatch.setattr("fakevm.compute.work.home.Guests.home", lambda *_: "compute2")
    action = f"{COMPUTE}/servers/{known.id}/action"
    told = world.member("POST", action, {"os-getConsoleOutput": {}})
    assert told.get_json()["output"] == "of compute2"


def test_the_console_of_one_that_is_being_made_is_not_waited_for(world: World, hosts: Hosts) -> None:
    known = server(world.shelves, vm_state="building", task_state="spawning")
    action = f"{COMPUTE}/servers/{known.id}/action"
    with world.shelves.locks[known.id]:
        refused = world.member("POST", action, {"os-getConsoleOutput": {}})
    assert (refused.status_code, hosts.guests) == (409, set())


def test_a_server_is_evacuated_from_a_host_that_is_dead_only(world: World) -> None:
    known = server(world.shelves)
    action = f"{COMPUTE}/servers/{known.id}/action"
    assert world.member("POST", action, {"evacuate": {}}, "2.14").status_code == 403
    same, used = ({"evacuate": {"host": host}} for host in ("compute1", "compute2"))
    assert "the same one" in message(world.admin("POST", action, same, "2.29"))
    refused = world.admin("POST", action, used, "2.29")
    assert (refused.status_code, message(refused)) == (400, "Compute service of compute1 is still in use.")


@pytest.mark.parametrize(("version", "status"), [("2.13", "ACTIVE"), ("2.14", "ACTIVE"), ("2.95", "SHUTOFF")])
def test_an_evacuated_server_is_on_another_host_and_goes_from_its_own_when_that_is_back(
    world: World, hosts: Hosts, monkeypatch: pytest.MonkeyPatch, version: str, status: str
) -> None:
    known = server(world.shelves)
    world.shelves.services.put("compute1", ServiceRecord(host="compute1", forced_down=True))
    hosts.down, hosts.guests = "compute1", {("compute1", known.id)}
    monkeypatch.setattr("fakevm.compute.work.home.Guests.__init__", lambda *_: None)
    monkeypatch.setattr("fakevm.compute.work.home.Guests.home", lambda *_: None)
    bound: list[tuple[str, str]] = []
    monkeypatch.setattr(moving, "bind", lambda _, port, host, *__: bound.append((port["id"], host)))
    monkeypatch.setattr(moving, "make_anew", lambda _, agents, server, __: agents.on(server.host).start(server))
    monkeypatch.setattr(moving, "switched", lambda *_: {})
    answer = world.admin("POST", f"{COMPUTE}/servers/{known.id}/action", {"evacuate": {}}, version)
    assert (answer.status_code, b"adminPass" in answer.data) == (200, version == "2.13")
    world.shelves.pool.run()  # type: ignore[attr-defined]
    shown = world.shelves.servers.get(known.id)
    assert shown and (shown.host, shown.status) == ("compute2", status)
    assert bound == [(PORT, "compute2")]
    assert [(m.type, m.status, m.destination) for m in world.shelves.migrations.all()] == [
        ("evacuation", "done", "compute2")
    ]
    hosts.down = ""
    clearing.clear(world.shelves)
    assert hosts.guests == {("compute2", known.id)}


def test_one_that_was_moved_before_its_host_died_is_not_evacuated_from_the_host_where_it_runs(
    world: World, hosts: Hosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = server(world.shelves)
    world.shelves.services.put("compute1", ServiceRecord(host="compute1", forced_down=True))
    hosts.down, hosts.guests = "compute1", {("compute2", known.id)}
    monkeypatch.setattr("fakevm.compute.work.home.Guests.__init__", lambda *_: None)
    monkeypatch.setattr("fakevm.compute.work.home.Guests.home", lambda *_: "compute2")
    action = f"{COMPUTE}/servers/{known.id}/action"
    assert world.admin("POST", action, {"evacuate": {}}, "2.14").status_code == 200
    world.shelves.pool.run()  # type: ignore[attr-defined]
    shown = world.shelves.servers.get(known.id)
    assert shown and (shown.host, shown.status, shown.task_state) == ("compute2", "ACTIVE", None)
    assert (hosts.guests, world.shelves.leftovers.all()) == ({("compute2", known.id)}, [])


def test_what_a_cut_move_leaves_is_deleted_with_its_server(world: World, hosts: Hosts) -> None:
    known = server(world.shelves, task_state="migrating")
    noted = note(world.shelves, known, "live-migration", ("req-1", USER, PROJECT))
    move = moving._note(world.shelves, known, "compute2", (USER, PROJECT), kind="live-migration", status="running")
    hosts.guests = {("compute1", known.id), ("compute2", known.id)}
    starting.go_on(world.shelves)
    cut = world.shelves.migrations.get(move.uuid)
    assert cut and cut.status == "error"
    action = world.shelves.actions.get(noted.id)
    assert action and (action.result, bool(action.ended)) == ("Error", True)
    Ending(world.shelves).end(known.id)
    assert hosts.guests == set()


def test_a_deletion_that_fails_of_anything_can_be_done_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    known = server(world.shelves, task_state="deleting")
    monkeypatch.setattr("fakevm.compute.work.ending.instance.forget", lambda *_: 1 / 0)
    Ending(world.shelves).end(known.id)
    found = world.shelves.servers.get(known.id)
    assert found and (found.status, found.task_state) == ("ERROR", None)


def test_what_an_attempt_leaves_on_a_host_that_died_goes_when_that_is_back(world: World, hosts: Hosts) -> None:
    known = server(world.shelves, host="", vm_state="building", task_state="scheduling")
    hosts.guests, hosts.down = {("compute1", known.id)}, "compute1"
    Building(world.shelves)._clear(hosts, known, "compute1")  # type: ignore[arg-type]
    assert [left.id for left in world.shelves.leftovers.all()] == [f"compute1/{known.id}"]
    hosts.down = ""
    clearing.clear(world.shelves)
    assert (hosts.guests, world.shelves.leftovers.all()) == (set(), [])


def test_one_guest_that_stays_keeps_no_other(world: World, hosts: Hosts, monkeypatch: pytest.MonkeyPatch) -> None:
    for host in ("compute1", "compute2"):
        clearing.leave(world.shelves, host, "gone")
        hosts.guests.add((host, "gone"))
    hosts.down = "compute1"  # though Neutron believes in it for a minute
    clearing.clear(world.shelves)
    assert hosts.guests == {("compute1", "gone")}
    assert [left.host for left in world.shelves.leftovers.all()] == ["compute1"]


def test_a_port_that_is_deleted_is_unplugged_also_when_something_else_is_to_be_done(
    world: World, hosts: Hosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = server(world.shelves, task_state="rebooting")
    hosts.guests = {("compute1", known.id)}
    detached = []
    monkeypatch.setattr(watching.Attaching, "__init__", lambda *_, **__: None)
    monkeypatch.setattr(watching.Attaching, "detach", lambda _, guest, port, **__: detached.append((guest, port)))
    event = Event(number=1, at=0.0, name="network-vif-deleted", server_uuid=known.id, tag=PORT)
    watching._take(world.shelves, event)
    assert detached == [(known.id, PORT)]
    world.shelves.servers.change(known.id, lambda s: s.model_copy(update={"task_state": "deleting"}))
    watching._take(world.shelves, event)
    assert len(detached) == 1


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_what_fails_of_an_event_is_told_and_the_next_ones_are_seen_to(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    known, done = server(world.shelves), threading.Event()
    came = [Event(number=n, at=0.0, name=name, server_uuid=known.id) for n, name in ((1, "first"), (2, "second"))]
    asked: list[int] = []

    class Events:
        def newest(self) -> int:
            return 0

        def follow(self, after: int, _wait: float) -> tuple[list[Event], int]:
            asked.append(after)
            if len(asked) == 1:
                raise RuntimeError("nobody expected it")
            if after == 2:
                raise SystemExit
            return came[after : after + 1], 0

    class Pool:
        def submit(self, work: Any, *given: Any) -> None:
            # As of a future that nobody asks.
            with suppress(Exception):
                work(*given)

    monkeypatch.setattr(world.shelves.reach, "events", Events())
    monkeypatch.setattr(world.shelves, "pool", Pool())
    monkeypatch.setattr(watching, "_AWAY", 0.0)
    works = {"first": lambda *_: {}["fails"], "second": lambda *_: done.set()}
    monkeypatch.setattr(watching, "_WORKS", works)
    watching.begin(world.shelves)
    for thread in threading.enumerate():
        if thread.name == "events":
            thread.join(10)
    assert (done.is_set(), asked) == (True, [0, 0, 1, 2])
    for text in ("nobody expected it", "KeyError", f"first of server {known.id}"):
        assert text in caplog.text


def test_a_floating_ip_is_not_told_of_a_server_that_is_being_deleted(world: World) -> None:
    known = server(world.shelves)
    event = Event(number=1, at=0.0, name="network-changed", server_uuid=known.id)
    lock = world.shelves.locks[known.id]
    with lock:
        telling = threading.Thread(target=watching._tell, args=(world.shelves, event))
        telling.start()
        telling.join(0.3)
        assert telling.is_alive()
        world.shelves.servers.delete(known.id)
    telling.join(10)
    assert not (world.shelves.reach.folder / "metadata/servers").exists()


def test_a_stopped_server_is_stopped_after_its_resize(world: World, hosts: Hosts) -> None:
    known = server(world.shelves, vm_state="stopped")
    for settle in (moving.confirm, moving.revert):
        changes = moving.cold(world.shelves, "", "84", (USER, PROJECT))(hosts, known)  # type: ignore[arg-type]
        resized = known.model_copy(update=changes)
        assert (resized.status, resized.flavor) == ("VERIFY_RESIZE", "84")
        done = resized.model_copy(update=settle(world.shelves)(hosts, resized))  # type: ignore[arg-type]
        assert done.status == "SHUTOFF"


def test_a_connection_of_no_use_is_closed_when_nobody_works_over_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Any] = []

    class Line:
        def __init__(self, *_: Any) -> None:
            self.closed = False
            opened.append(self)

        def sibling(self) -> Any:
            return self

        def close(self) -> None:
            self.closed = True

    monkeypatch.setattr(reach, "Agents", Line)
    monkeypatch.setattr(reach.Access, "of", lambda _: None)
    monkeypatch.setattr(reach.neutron, "connect", lambda _: None)
    lab = reach.Reach(tmp_path, {"transport_url": "", "events_endpoint": "http://127.0.0.1:1"})
    monkeypatch.setattr(lab, "record", lambda: None)
    with lab.agents() as first:
        with pytest.raises(Unreachable), lab.agents():
            raise Unreachable("the broker is gone")
        with lab.agents() as second:
            assert second is not first
        assert [line.closed for line in opened] == [False, False]
    assert [line.closed for line in opened] == [True, False]


def test_a_body_is_not_read_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes without a token is read, too, before anybody looks at it."""
    told: dict[str, Any] = {}
    monkeypatch.setattr(serving.waitress, "serve", lambda _, **settings: told.update(settings))
    with socket.socket() as outside:
        outside.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        outside.bind(("127.0.0.1", 0))
        serving.serve(None, os.dup(outside.fileno()))
    for listening in told["sockets"]:
        listening.close()
    assert application.LARGEST_BODY < told["max_request_body_size"] <= 2**22
