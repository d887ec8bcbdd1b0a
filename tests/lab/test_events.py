"""What Neutron tells Nova, in a running lab: received, shown, and waited for."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from fakevm.control import credentials
from fakevm.lab import readiness

from . import machine
from .conftest import interrupt, until

if TYPE_CHECKING:
    from .conftest import Lab

pytestmark = pytest.mark.lab

NETWORK = "events-test"
AGENT = "neutron-openvswitch-agent"


@pytest.fixture(scope="module")
def network(lab: Lab) -> Iterator[str]:
    """Make a network with a subnet that DHCP serves; what is left on it is removed with it."""
    lab.network(NETWORK, "10.78.0.0/24")
    yield NETWORK
    lab.remove_network(NETWORK)


def created(lab: Lab, instance: str, *options: str) -> Any:
    done = lab.fakevm("create-port", NETWORK, instance, "--host", "compute1", *options, "-f", "json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def events(lab: Lab, *options: str) -> list[dict[str, Any]]:
    done = lab.fakevm("events", *options, "-f", "json")
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout))


def post(lab: Lab, body: object) -> int:
    """Send a body as Neutron does; gives the HTTP status."""
    url = f"{lab.record.events_endpoint}/v2.1/os-server-external-events"
    try:
        with urllib.request.urlopen(url, json.dumps(body).encode(), timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as problem:
        return problem.code


def names(rows: list[dict[str, Any]]) -> list[str]:
    return [row["name"] for row in rows]


def test_create_port_waits_for_the_event_as_nova_does(lab: Lab, network: str) -> None:
    instance = str(uuid.uuid4())
    port = created(lab, instance, "--wait", "event", "--timeout", "60")
    assert port["status"] == "ACTIVE"
    assert port["addresses"]
    rows = events(lab, "--vif", port["vif_id"][:8])
    assert "network-vif-plugged" in names(rows)
    assert {row["instance"] for row in rows} == {instance}
    assert lab.fakevm("delete-port", port["vif_id"]).returncode == 0
    since = ("--vif", port["vif_id"], "--since", str(rows[-1]["number"]))
    until(lambda: "network-vif-deleted" in names(events(lab, *since)), timeout=120)


@pytest.fixture
def elsewhere(lab: Lab) -> Iterator[dict[str, str]]:
    """Reach the lab as a cloud, and its events where none will ever come."""
    run = [sys.executable, "-m", "fakevm.events.main", "--listen", "127.0.0.1:0"]
    with subprocess.Popen(run, stdout=subprocess.PIPE, text=True) as receiver:
        assert receiver.stdout
        events = f"http://{receiver.stdout.readline().split()[-1]}"
        record = lab.record
        cloud = {**credentials.variables(record), "FAKEVM_EVENTS": events}
        yield lab.labs.env(**cloud, FAKEVM_TRANSPORT_URL=record.transport_url)
        receiver.terminate()


def test_create_port_goes_on_when_the_status_says_so_before_the_event(
    lab: Lab, network: str, elsewhere: dict[str, str]
) -> None:
    words = ("create-port", NETWORK, str(uuid.uuid4()), "--host", "compute1", "--timeout", "120", "-f", "json")
    done = lab.labs.fakevm(*words, env=elsewhere)
    assert done.returncode == 0, done.stderr
    port = json.loads(done.stdout)
    assert port["status"] == "ACTIVE"
    insisting = lab.labs.fakevm(*words, "--wait", "event", "--timeout", "5", env=elsewhere)
    assert (insisting.returncode, "no event network-vif-plugged" in insisting.stderr) == (1, True)


def test_many_wait_at_once(lab: Lab, network: str) -> None:
    ports = created(lab, str(uuid.uuid4()), "--count", "5", "--wait", "event")
    assert {port["status"] for port in ports} == {"ACTIVE"}
    assert len({uuid.UUID(port["instance"]) for port in ports}) == 5
    plugged = {row["vif_id"] for row in events(lab) if row["name"] == "network-vif-plugged"}
    assert {port["vif_id"] for port in ports} <= plugged


def test_a_port_that_is_active_already_is_not_waited_for(lab: Lab, network: str) -> None:
    port = created(lab, str(uuid.uuid4()), "--wait", "event")
    done = lab.fakevm("plug", port["vif_id"], "--host", "compute1", "--wait", "event", "--timeout", "20")
    assert done.returncode == 0, done.stderr


def test_where_no_event_will_come_auto_waits_for_the_status_and_event_is_refused(lab: Lab, network: str) -> None:
    port = created(lab, "no-uuid")
    assert port["status"] == "ACTIVE"
    assert events(lab, "--vif", port["vif_id"]) == []
    refused = lab.fakevm("create-port", NETWORK, "no-uuid-2", "--host", "compute1", "--wait", "event")
    assert (refused.returncode, "have a UUID only" in refused.stderr) == (2, True)
    assert not [row for row in json.loads(lab.fakevm("list", "-f", "json").stdout) if row["instance"] == "no-uuid-2"]


def heartbeat(lab: Lab) -> object:
    """Tell when Neutron heard last of its agent on compute1."""
    wanted = ("compute1", "neutron-openvswitch-agent")
    found = [agent for agent in readiness.agents(lab.record) if (agent["host"], agent["binary"]) == wanted]
    return found[0]["heartbeat_timestamp"]


def signalled(lab: Lab, signum: int) -> None:
    """Send compute1's L2 agent a signal. Not through its supervisor: only the stub of what was forked would stop."""
    for pid in machine.pids(lab.labs.mark):
        words = machine.read(Path(f"/proc/{pid}/cmdline")).split(b"\0")
        with contextlib.suppress(OSError):
            at = str(Path(f"/proc/{pid}/cwd").readlink())
            if at.endswith(f"compute1/service/{AGENT}") and any(word.endswith(f"/{AGENT}".encode()) for word in words):
                os.kill(pid, signum)


@pytest.fixture
def unwire(lab: Lab) -> Iterator[Callable[[], None]]:
    """Keep Neutron's agent on compute1 from wiring anything: it is paused (SIGSTOP), then goes on (SIGCONT).

    To be called before each port: the agent goes on until Neutron hears of it, and is paused again. Of an agent that is
    silent for long Neutron does not bind a port.
    """

    def go_on() -> None:
        before = heartbeat(lab)
        signalled(lab, signal.SIGCONT)
        until(lambda: heartbeat(lab) != before)

    def pause() -> None:
        go_on()
        signalled(lab, signal.SIGSTOP)

    yield pause
    go_on()


def test_a_port_that_is_not_wired_in_time_is_fatal_or_not_as_by_nova(
    lab: Lab, network: str, unwire: Callable[[], None]
) -> None:
    instance = str(uuid.uuid4())
    words = ("create-port", NETWORK, instance, "--host", "compute1", "--timeout", "3", "-f", "json")
    unwire()
    fatal = lab.fakevm(*words)
    assert fatal.returncode == 1
    assert "no event network-vif-plugged" in fatal.stderr
    assert "Undone: " in fatal.stderr
    unwire()
    kept = lab.fakevm(*words, "--no-vif-plugging-is-fatal")
    assert kept.returncode == 0, kept.stderr
    assert "no event network-vif-plugged" in kept.stderr
    port = json.loads(kept.stdout)
    assert port["status"] == "DOWN"
    assert "within 3 s" in port["problem"]
    listed = [row for row in json.loads(lab.fakevm("list", "-f", "json").stdout) if row["instance"] == instance]
    assert [row["vif_id"] for row in listed] == [port["vif_id"]]


def test_what_is_posted_is_checked_and_duplicates_are_kept(lab: Lab) -> None:
    tag = str(uuid.uuid4())
    event = {"name": "network-vif-plugged", "server_uuid": str(uuid.uuid4()), "tag": tag}
    assert post(lab, {"events": [event, event]}) == 200
    assert post(lab, {"events": [event]}) == 200
    bad = ({"events": []}, {"events": [event, event | {"name": "x"}]}, {"events": [event | {"x": "y"}]}, [])
    assert [post(lab, body) for body in bad] == [400] * 4
    assert names(events(lab, "--vif", tag)) == ["network-vif-plugged"] * 3


def test_events_are_followed_until_ctrl_c(lab: Lab) -> None:
    tag = str(uuid.uuid4())
    following = lab.labs.begin("--lab", lab.record.name, "events", "--follow", "--vif", tag, "-f", "json")
    assert following.stdout
    for name in ("network-changed", "network-vif-plugged"):
        assert post(lab, {"events": [{"name": name, "server_uuid": str(uuid.uuid4()), "tag": tag}]}) == 200
        assert json.loads(following.stdout.readline())["name"] == name
    status, rest = interrupt(following, signal.SIGINT)
    assert (status, rest) == (130, "")


def test_an_empty_list_says_so(lab: Lab) -> None:
    done = lab.fakevm("events", "--vif", str(uuid.uuid4()))
    assert (done.returncode, "no events" in done.stderr) == (0, True)
    wrong = lab.fakevm("events", "--follow", "-f", "csv")
    assert (wrong.returncode, "table, value, json" in wrong.stderr) == (2, True)


def test_neutron_takes_the_answers_for_novas(lab: Lab, network: str) -> None:
    """Neutron's server writes down what Nova answered for each event, and what went wrong."""
    created(lab, str(uuid.uuid4()), "--wait", "event", "--timeout", "60")
    said = "".join(path.read_text() for path in (lab.record.directory / "log").glob("neutron-*.log"))
    answers = [line for line in said.splitlines() if "Nova event" in line]
    assert answers
    assert [line for line in answers if "'code': 200" not in line] == []
    assert "RetryError" not in said
    assert "Failed to notify nova" not in said
