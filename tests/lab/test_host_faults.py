"""Hosts that are cut off, killed, stopped and brought back, as checks see it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import TYPE_CHECKING

import kombu
import pytest

from fakevm.lab import readiness
from fakevm.rpc.contract import TOPIC

from .conftest import until

if TYPE_CHECKING:
    from .conftest import Lab, Labs

pytestmark = pytest.mark.lab

FILE = """\
hosts:
  host1: {roles: [compute, dhcp]}
  host2: {}
networks:
  private: {subnets: {private4: {cidr: 10.0.0.0/24}}}
security_groups:
  open: {rules: [{protocol: icmp}, {protocol: tcp, ports: 80}]}
guests:
  vm1: {host: host1, ports: [{network: private, security_groups: [open]}]}
  near: {host: host1, ports: [{network: private, security_groups: [open]}]}
  vm2:
    host: host2
    ports: [{network: private, security_groups: [open]}]
    run: [{command: exec python3 -m http.server 80, background: true}]
checks:
  web: {kind: http, from: vm1, to: vm2, within: 90s}
  no web: {kind: http, from: vm1, to: vm2, expect: blocked}
  ping: {kind: ping, from: vm2, to: vm1}
  beside: {kind: outage, from: vm1, to: near, during: {cut: host2}, at_most: 60s}
"""


@pytest.fixture(scope="module")
def lab(own_labs: Labs) -> Iterator[Lab]:
    """Start the lab."""
    path = own_labs.folder / "faults.yaml"
    path.write_text(FILE)
    yield own_labs.up("faults", str(path))
    assert own_labs.fakevm("lab", "down", "faults").returncode == 0


def states(lab: Lab) -> dict[str, str]:
    rows = json.loads(lab.fakevm("host", "list", "-f", "json").stdout)
    return {row["name"]: row["state"] for row in rows if row["lab"] == "faults"}


def check(lab: Lab, name: str) -> int:
    return lab.fakevm("check", "--only", name).returncode


def do(lab: Lab, *words: str) -> subprocess.CompletedProcess[str]:
    done = lab.fakevm("host", *words)
    assert done.returncode == 0, done.stderr
    return done


def test_a_host_that_is_cut_off_is_joined_again(lab: Lab) -> None:
    assert check(lab, "web") == 0
    do(lab, "cut", "host2")
    assert "host2 is cut already" in do(lab, "cut", "host2").stderr
    assert states(lab) == {"host1": "running", "host2": "cut"}
    assert check(lab, "no web") == 0
    # Its processes go on, and who is there can be asked.
    assert check(lab, "ping") == 1
    do(lab, "join", "host2")
    assert "host2 is running already" in do(lab, "join", "host2").stderr
    assert check(lab, "web") == 0


def test_who_is_cut_off_is_not_waited_for(lab: Lab) -> None:
    extra = lab.guest("private", "extra", "host1", "--addressing", "static")["vif_id"]
    do(lab, "cut", "host2")
    away = "host2: the host is cut off (fakevm host join host2)"
    listed = lab.fakevm("list", "-f", "json")
    plugged = {row["name"]: row["plugged_on"] for row in json.loads(listed.stdout)}
    assert plugged == {"vm1": ["host1"], "near": ["host1"], "extra": ["host1"], "vm2": []}
    assert f"warning: not asked: {away}" in listed.stderr
    shown = lab.fakevm("show", "vm1")
    assert (shown.returncode, shown.stderr) == (0, "")
    shown = lab.fakevm("show", "vm2")
    assert (shown.returncode, f"warning: not asked: {away}" in shown.stderr) == (0, True)
    # What is on another host can be deleted; what is there cannot, and stays.
    lab.told("delete-port", extra)
    done = lab.fakevm("delete-port", "vm2")
    assert done.returncode == 1
    assert "the FakeVM agent on host2 cannot be asked: the host is cut off" in done.stderr
    do(lab, "join", "host2")
    assert check(lab, "web") == 0


def test_who_is_silent_is_waited_for_only_a_moment_where_others_have_the_answer(lab: Lab) -> None:
    """As a host is that the lab did not cut off itself."""
    link = ("lab", "exec", "host2", "--", "ip", "link", "set", "mgmt")
    assert lab.fakevm(*link, "down").returncode == 0
    listed = lab.fakevm("list", "-f", "json")
    assert {row["name"] for row in json.loads(listed.stdout)} == {"vm1", "near", "vm2"}
    assert "not asked: host2: the FakeVM agent on host2 did not answer within 2 s" in listed.stderr
    shown = lab.fakevm("show", "vm1")
    assert (shown.returncode, "on host2 did not answer within 2 s" in shown.stderr) == (0, True)
    assert lab.fakevm(*link, "up").returncode == 0
    assert check(lab, "web") == 0


def who_takes_calls(lab: Lab, host: str) -> int:
    """Count those whom the broker gives what is meant for a host's agent."""
    with kombu.Connection(lab.record.transport_url.replace("rabbit:", "amqp:", 1)) as connection:
        return int(connection.default_channel.queue_declare(f"{TOPIC}.{host}", passive=True).consumer_count)


@pytest.mark.parametrize(("ways", "state"), [(("cut", "kill"), "killed"), (("stop",), "stopped")])
def test_a_host_that_ended_comes_back_with_its_guests(lab: Lab, ways: tuple[str, ...], state: str) -> None:
    for way in ways:
        do(lab, way, "host2")
    until(lambda: who_takes_calls(lab, "host2") == 0, timeout=20)
    assert f"host2 is {state} already" in do(lab, way, "host2").stderr
    assert states(lab) == {"host1": "running", "host2": state}
    # From it nothing can be tried: that is an error. To it, nothing comes through: that is a result.
    assert check(lab, "ping") == 3
    assert check(lab, "no web") == 0
    cut = lab.fakevm("host", "cut", "host2")
    assert (cut.returncode, "Start it: fakevm host start host2" in cut.stderr) == (2, True)
    do(lab, "start", "host2")
    assert "host2 is running already" in do(lab, "start", "host2").stderr
    assert states(lab) == {"host1": "running", "host2": "running"}
    assert check(lab, "web") == 0


def test_a_fault_beside_the_packets_way_is_told(lab: Lab) -> None:
    (row,) = lab.told("check", "--only", "beside")
    assert row["status"] == "met"
    assert "touched nothing in their way: host1" in row["seen"]


@pytest.mark.slow
@pytest.mark.parametrize("move", [False, True], ids=["create-port", "migrate"])
def test_a_host_that_stops_under_a_command_ends_it_and_keeps_nothing_of_it(lab: Lab, move: bool) -> None:
    if move:
        words = ("migrate", "host2", "vm1", "--probe-from", "none")
    else:
        words = ("create-port", "private", "late", "--host", "host2")
    command = lab.labs.begin("--lab", "faults", *words)
    until(lambda: comes_to_host2(lab, "vm1" if move else "late") or command.poll() is not None)
    do(lab, "stop", "host2")
    # Which may have been quicker than the stop.
    said = command.communicate(timeout=60)[0]
    assert "Traceback" not in said
    assert (command.returncode == 0) or "host2" in said, said
    do(lab, "start", "host2")
    plugged = {row["name"]: row["plugged_on"] for row in lab.told("list")}
    if command.returncode == 0:
        assert plugged.pop("vm1" if move else "late") == ["host2"]
    elif move:
        assert plugged.pop("vm1") == ["host1"]
        assert check(lab, "web") == 0
    assert plugged.pop("vm1", ["host1"]) == ["host1"]
    assert plugged == {"near": ["host1"], "vm2": ["host2"]}
    if command.returncode == 0:
        lab.told(*(("migrate", "host1", "vm1") if move else ("delete-port", "late")))


def comes_to_host2(lab: Lab, guest: str) -> bool:
    """Tell whether a guest's port is about to be plugged on host2: it is bound there, alone or beside where it is."""
    ports = readiness.get(lab.record, "/v2.0/ports")["ports"]
    port = next((port for port in ports if guest in (port["name"], port["device_id"])), None)
    if port is None or not port["binding:host_id"]:
        return False
    bindings = readiness.get(lab.record, f"/v2.0/ports/{port['id']}/bindings")["bindings"]
    return "host2" in [binding["host"] for binding in bindings]


def test_an_unknown_host_is_named_with_those_that_there_are(lab: Lab) -> None:
    done = lab.fakevm("host", "kill", "host3")
    assert done.returncode == 2
    assert "no host 'host3'\nHosts: host1, host2." in done.stderr
