"""The receiver of Neutron's events, spoken to over loopback, and the client that waits for them."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from fakevm.control import expectation as client
from fakevm.control.access import events_endpoint, find_access
from fakevm.control.expectation import PLUGGED, Events, Expectation, why_no_event
from fakevm.errors import FakevmError, InvalidInput, NotFound, TimedOut, Unreachable
from fakevm.events.log import EventLog
from fakevm.events.receiver import LARGEST_BODY, Receiver
from fakevm.events.validation import BadBody, events_of
from fakevm.model.event import Event
from fakevm.model.lab import LabRecord

SERVER = "5f1e6f9c-d8b6-4bd1-9b13-0f0ce2f2e2f1"
PLUG = {"name": PLUGGED, "server_uuid": SERVER, "tag": "port-1"}


class Served:
    """A receiver that serves, and can be replaced by another one at the same place."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._lives = 0
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.place = free.getsockname()
        self.start()

    def start(self) -> None:
        self._lives += 1
        listener = socket.create_server(self.place)
        self._receiver = Receiver(listener, EventLog(self._room), f"life {self._lives}")
        threading.Thread(target=self._receiver.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self) -> None:
        self._receiver.shutdown()
        self._receiver.server_close()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.place[1]}"

    def ask(self, method: str, path: str, body: str | bytes | None = None) -> tuple[int, dict[str, Any]]:
        with contextlib.closing(http.client.HTTPConnection(*self.place, timeout=10)) as connection:
            connection.request(method, path, body)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())

    def post(self, *events: dict[str, str]) -> tuple[int, dict[str, Any]]:
        return self.ask("POST", "/v2.1/os-server-external-events", json.dumps({"events": events}))


@pytest.fixture
def served() -> Iterator[Served]:
    receiver = Served(room=5)
    yield receiver
    receiver.stop()


# -- what others may send --------------------------------------------------------------------------------------


def hostile(place: tuple[str, int], head: str, body: bytes = b"") -> bytes:
    with socket.create_connection(place, timeout=20) as connection:
        connection.sendall(head.encode("latin-1", "replace") + b"\r\n\r\n" + body)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while more := connection.recv(65536):
            answer += more
        return answer


POST = "POST /v2.1/os-server-external-events HTTP/1.1\r\nContent-Length: "


@pytest.mark.parametrize(
    ("head", "body", "status"),
    [
        (POST + "\xb2", b"", b"411"),
        (POST + "9" * 5000, b"", b"411"),
        (POST + "-1", b"", b"411"),
        (POST + "999999999", b"", b"413"),
        (POST + "60000", b"[" * 60000, b"400"),
        (POST + "60000", b'{"a":' * 12000, b"400"),
        (POST + "10000", b"1" * 10000, b"400"),
        ("GET /" + "x" * 60000 + " HTTP/1.1\r\nConnection: close", b"", b"404"),
        ("GET http://[x HTTP/1.1\r\nConnection: close", b"", b"404"),
        ("GET /events?after=" + "9" * 5000 + " HTTP/1.1\r\nConnection: close", b"", b"400"),
        ("GET /events?wait=nan HTTP/1.1\r\nConnection: close", b"", b"400"),
        ("\x1b[31m" + "y" * 70000, b"", b""),
    ],
)
def test_nonsense_is_refused_and_written_down_in_short(
    served: Served, capfd: pytest.CaptureFixture[str], head: str, body: bytes, status: bytes
) -> None:
    assert hostile(served.place, head, body).split()[1:2] == ([status] if status else []) or not status
    said = "".join(capfd.readouterr())
    assert "Traceback" not in said
    assert "\x1b" not in said
    assert all(len(line) < 600 for line in said.splitlines())
    assert served.post(PLUG)[0] == 200


def test_the_log_of_refusals_is_bounded(served: Served, capfd: pytest.CaptureFixture[str]) -> None:
    for _ in range(100):
        assert served.ask("GET", "/nothing")[0] == 404
    assert len("".join(capfd.readouterr()).splitlines()) <= 20


def test_who_does_not_know_the_secret_can_neither_post_nor_read(capfd: pytest.CaptureFixture[str]) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    receiver = Receiver(listener, EventLog(5), "life", "a-secret")
    threading.Thread(target=receiver.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    place = listener.getsockname()
    body = json.dumps({"events": [PLUG]}).encode()
    try:
        for path in ("", "/wrong", "/a-secre", "/a-secret-", "/x/a-secret"):
            head = f"POST {path}/v2.1/os-server-external-events HTTP/1.1\r\nContent-Length: {len(body)}"
            assert hostile(place, head, body).split()[1] == b"404"
            assert hostile(place, f"GET {path}/events HTTP/1.1").split()[1] == b"404"
        known = Events(f"http://127.0.0.1:{place[1]}/a-secret")
        assert known.newest() == 0
        head = f"POST /a-secret/v2.1/os-server-external-events HTTP/1.1\r\nContent-Length: {len(body)}"
        assert hostile(place, head, body).split()[1] == b"200"
        assert known.newest() == 1
        assert b"/a-secret/v2.1/" in hostile(place, "GET /a-secret/ HTTP/1.1")
        assert hostile(place, "GET /a-secret/nothing HTTP/1.1").split()[1] == b"404"
        for token in ("", "wrong", "a-secre", "a-secret-"):
            head = f"GET /events HTTP/1.1\r\nX-Auth-Token: {token}"
            assert hostile(place, head).split()[1] == b"404"
        assert hostile(place, "GET /events HTTP/1.1\r\nX-Auth-Token: a-secret").split()[1] == b"200"
        head = f"POST /v2.1/os-server-external-events HTTP/1.1\r\nX-Auth-Token: a-secret\r\nContent-Length: {len(body)}"
        assert hostile(place, head, body).split()[1] == b"200"
        # Neither is it told back.
        assert b"a-secret" not in hostile(place, "GET /v2.1 HTTP/1.1\r\nX-Auth-Token: a-secret")
        assert "a-secret/" not in "".join(capfd.readouterr()).replace("x/a-secret/", "")
    finally:
        receiver.shutdown()
        receiver.server_close()


# -- which bodies are taken ------------------------------------------------------------------------------------


def test_a_good_body_is_taken_as_it_is() -> None:
    events = [PLUG, {"name": "network-changed", "server_uuid": SERVER.upper().replace("-", "")}]
    assert events_of({"events": events}) == events


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ([], "not of type 'object'"),
        ({}, "'events' is a required property"),
        ({"events": []}, "too short"),
        ({"events": {}}, "not of type 'array'"),
        ({"events": [PLUG], "more": 1}, "'more' was unexpected"),
        ({"events": ["word"]}, "not of type 'object'"),
        ({"events": [{"name": PLUGGED}]}, "'server_uuid' is a required property"),
        ({"events": [{"server_uuid": SERVER}]}, "'name' is a required property"),
        ({"events": [PLUG | {"name": "volume-extended"}]}, "is not one of"),
        ({"events": [PLUG | {"server_uuid": "vm1"}]}, "is not a 'uuid'"),
        ({"events": [PLUG | {"server_uuid": 5}]}, "not of type 'string'"),
        ({"events": [PLUG | {"status": "done"}]}, "is not one of"),
        ({"events": [PLUG | {"tag": None}]}, "not of type 'string'"),
        ({"events": [PLUG | {"tag": "x" * 256}]}, "is too long"),
        ({"events": [PLUG | {"extra": "1"}]}, "'extra' was unexpected"),
        ({"events": [PLUG, {}]}, "is a required property"),
    ],
)
def test_a_bad_body_is_refused_with_the_reason(body: object, says: str) -> None:
    with pytest.raises(BadBody, match=says):
        events_of(body)


# -- the log ---------------------------------------------------------------------------------------------------


def test_the_log_keeps_the_last_and_counts_what_it_dropped() -> None:
    log = EventLog(room=3)
    log.add([PLUG] * 5)
    page = log.after(0, limit=10)
    assert ([event["number"] for event in page.events], page.lost, page.newest) == ([3, 4, 5], 2, 5)
    assert log.after(4, limit=10).lost == 0
    assert [event["number"] for event in log.after(2, limit=1).events] == [3]
    assert log.after(5, limit=10).events == log.after(9, limit=10).events == []


def test_a_reader_waits_until_something_comes() -> None:
    log = EventLog()
    began = time.monotonic()
    threading.Timer(0.1, log.add, [[PLUG]]).start()
    assert len(log.after(0, limit=10, wait=10).events) == 1
    assert 0.05 < time.monotonic() - began < 5
    assert log.after(1, limit=10, wait=0.05).events == []


# -- as Neutron sees it ----------------------------------------------------------------------------------------


def test_events_are_taken_kept_and_answered_as_by_nova(served: Served) -> None:
    failed = PLUG | {"status": "failed"}
    assert served.post(PLUG, failed) == (
        200,
        {"events": [e | {"status": "completed", "code": 200} for e in (PLUG,) * 2]},
    )
    assert served.post(PLUG)[0] == 200
    status, read = served.ask("GET", "/events")
    assert (status, read["lost"], read["newest"]) == (200, 0, 3)
    assert [event["status"] for event in read["events"]] == ["completed", "failed", "completed"]


@pytest.mark.parametrize("path", ["/os-server-external-events", "/v2/a-project/os-server-external-events/"])
def test_any_root_of_novas_api_will_do(served: Served, path: str) -> None:
    assert served.ask("POST", path, json.dumps({"events": [PLUG]}))[0] == 200


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/v2.1/os-server-external-events", "{", 400),
        ("POST", "/v2.1/os-server-external-events", b"\xff", 400),
        ("POST", "/v2.1/os-server-external-events", json.dumps({"events": [PLUG, {"name": "x"}]}), 400),
        ("POST", "/v2.1/os-server-external-events", "x" * (LARGEST_BODY + 1), 413),
        ("POST", "/v2.1/servers", "{}", 404),
        ("GET", "/v2.1/servers", None, 404),
        ("GET", "/events?after=-1", None, 400),
        ("GET", "/events?wait=nan", None, 400),
        ("GET", "/events?limit=x", None, 400),
    ],
)
def test_what_is_wrong_is_refused_and_nothing_of_it_kept(
    served: Served, method: str, path: str, body: str | bytes | None, status: int
) -> None:
    answered, fault = served.ask(method, path, body)
    assert answered == status
    assert next(iter(fault.values()))["code"] == status
    assert served.ask("GET", "/events")[1]["newest"] == 0


def test_a_client_that_looks_for_novas_versions_finds_one(served: Served) -> None:
    assert served.ask("GET", "/")[1]["versions"][0]["id"] == "v2.1"
    assert served.ask("GET", "/v2.1/")[1]["version"]["links"][0]["href"] == f"{served.endpoint}/v2.1/"


def test_the_program_says_where_it_listens_and_ends_when_it_is_told_to() -> None:
    run = [sys.executable, "-m", "fakevm.events.main"]
    with subprocess.Popen([*run, "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout
        place = program.stdout.readline().split()[-1]
        assert Events(f"http://{place}").newest() == 0
        taken = subprocess.run([*run, "--listen", place], capture_output=True, text=True, timeout=20, check=False)
        program.terminate()
        assert program.wait(10) == 0
    assert (taken.returncode, "cannot listen" in taken.stderr) == (1, True)
    assert subprocess.run(run, capture_output=True, timeout=20, check=False).returncode == 2


# -- waiting for an event --------------------------------------------------------------------------------------


def test_an_event_that_was_there_before_does_not_count(served: Served) -> None:
    events = Events(served.endpoint)
    served.post(PLUG)
    with events.expect(PLUGGED, "port-1") as expected, pytest.raises(TimedOut):
        expected.wait(0.2)
    with events.expect(PLUGGED, "port-1") as expected:
        served.post(PLUG | {"tag": "port-2"}, PLUG)
        assert expected.wait(10).number == 3


def test_numbers_count_in_one_life_of_the_receiver_only() -> None:
    expected = Expectation(Events("http://127.0.0.1:1"), PLUGGED, "port-1", after=3, life="a")
    event = Event(number=3, at=0.0, name=PLUGGED, server_uuid=SERVER, tag="port-1")
    expected.look_at([event], 0, "a")
    with pytest.raises(TimedOut):
        expected.wait(0.01)
    expected.look_at([event], 0, "b")
    assert expected.wait(0.01) == event


def test_a_wait_ends_when_something_else_suffices() -> None:
    with Expectation(Events("http://127.0.0.1:1"), PLUGGED, "port-1", after=0, life="a") as expected:
        threading.Timer(0.05, expected.suffice).start()
        assert expected.wait(10) is None


def test_a_time_out_says_what_came_instead(served: Served) -> None:
    with Events(served.endpoint).expect(PLUGGED, "port-1") as expected:
        served.post(PLUG | {"tag": "port-2"}, PLUG | {"name": "network-changed"}, PLUG | {"status": "in-progress"})
        with pytest.raises(TimedOut) as raised:
            expected.wait(3)
    assert raised.value.what.endswith("network-changed (completed), network-vif-plugged (in-progress)")


def test_a_failure_that_neutron_reports_is_one(served: Served) -> None:
    with Events(served.endpoint).expect(PLUGGED, "port-1") as expected:
        served.post(PLUG | {"status": "failed"})
        with pytest.raises(FakevmError, match="failed") as raised:
            expected.wait(10)
    assert not isinstance(raised.value, TimedOut)


def test_many_wait_by_one_thread_and_each_gets_its_own(served: Served) -> None:
    events = Events(served.endpoint)
    before = {thread for thread in threading.enumerate() if thread.name == "events"}
    expected = {f"port-{n}": events.expect(PLUGGED, f"port-{n}") for n in range(20)}
    assert len([thread for thread in set(threading.enumerate()) - before if thread.name == "events"]) == 1
    for tags in ("port-3", "port-1"), ("port-0", "port-2", "port-4"), ("port-19",):
        served.post(*(PLUG | {"tag": tag} for tag in tags))
        for tag in tags:
            assert expected.pop(tag).wait(10).tag == tag
    for rest in expected.values():
        events.forget(rest)


def test_events_that_nobody_could_read_in_time_are_told_of(served: Served) -> None:
    served.post(*[PLUG] * 4)
    served.post(*[PLUG] * 4)
    found, lost = Events(served.endpoint).follow(1, wait=0)
    assert ([event.number for event in found], lost) == ([4, 5, 6, 7, 8], 2)


def test_a_receiver_that_begins_anew_is_followed(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "POLL", 0.1)
    events = Events(served.endpoint)
    served.post(PLUG, PLUG)
    assert events.follow(0, wait=0)[0][-1].number == 2
    expected = events.expect(PLUGGED, "port-1")
    served.stop()
    served.start()
    assert events.follow(2, wait=0) == ([], 0)
    served.post(PLUG)
    assert events.follow(2, wait=5)[0][0].number == 1
    assert expected.wait(10).number == 1


def test_a_receiver_that_is_gone_is_said_to_be(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "AWAY", 0.3)
    monkeypatch.setattr(client, "POLL", 0.1)
    events = Events(served.endpoint)
    with events.expect(PLUGGED, "port-1") as expected:
        served.stop()
        with pytest.raises(Unreachable, match="could not read"):
            expected.wait(10)
    with pytest.raises(Unreachable):
        events.newest()
    served.start()


def test_a_receiver_that_is_away_for_a_moment_after_a_long_silence_is_waited_for(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It dies in the midst of a poll: what was heard last is as old as that."""
    monkeypatch.setattr(client, "AWAY", 1)
    events = Events(served.endpoint)
    read, died = events._read, threading.Event()

    def dies_once(after: int, wait: float, life: str) -> tuple[list[Event], int, str]:
        if not died.is_set():
            time.sleep(1.5)
            died.set()
            raise Unreachable("connection reset")
        return read(after, wait, life)

    monkeypatch.setattr(events, "_read", dies_once)
    with events.expect(PLUGGED, "port-1") as expected:
        assert died.wait(10)
        served.post(PLUG)
        found = expected.wait(10)
        assert found and found.tag == "port-1"


@pytest.mark.parametrize("endpoint", ["ftp://127.0.0.1", "127.0.0.1:8774", ""])
def test_a_place_that_is_none_is_refused(endpoint: str) -> None:
    with pytest.raises(InvalidInput):
        Events(endpoint)


# -- whether one will come, and where --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("device_id", "device_owner", "says"),
    [(SERVER, "compute:nova", ""), ("vm1", "compute:nova", "UUID"), ("", "compute:", "UUID"), (SERVER, "", "owner")],
)
def test_which_ports_neutron_tells_nova_of(device_id: str, device_owner: str, says: str) -> None:
    port = {"device_id": device_id, "device_owner": device_owner}
    reason = why_no_event(Events("http://127.0.0.1:1"), port)
    assert (says in reason) if says else not reason
    assert "FAKEVM_EVENTS" in why_no_event(None, port)


def _record(**changes: Any) -> LabRecord:
    known = {"endpoint": "http://127.0.0.1:1", "transport_url": "rabbit://", "release": "", "backend": "", "hosts": []}
    text = json.dumps({"name": "a", "directory": "/a", "state": "up", "pid": 1, "datapath": "", **known, **changes})
    return LabRecord.from_json(text)


def test_where_the_events_are() -> None:
    with_events, without = _record(events_endpoint="http://127.0.0.1:2"), _record()
    chosen = {"FAKEVM_EVENTS": "http://127.0.0.1:3"}
    assert events_endpoint(lab=None, choose_lab=lambda _: with_events, environment={}) == "http://127.0.0.1:2"
    assert events_endpoint(lab=None, choose_lab=lambda _: with_events, environment=chosen) == "http://127.0.0.1:3"
    assert events_endpoint(lab="a", choose_lab=lambda _: with_events, environment=chosen) == "http://127.0.0.1:2"
    with pytest.raises(NotFound, match="an earlier FakeVM"):
        events_endpoint(lab="a", choose_lab=lambda _: without, environment=chosen)
    cloud = {**chosen, "OS_CLOUD": "c", "FAKEVM_TRANSPORT_URL": "rabbit://"}
    for environment, endpoint in ((cloud, "http://127.0.0.1:3"), (chosen, None)):
        found = find_access(
            lab=None, cloud=None, config_files=(), choose_lab=lambda _: without, environment=environment
        )
        assert found.events_endpoint == endpoint
