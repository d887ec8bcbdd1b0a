"""A lab without Neutron: hosts, guests and a link, and nothing else; one lab, in the order of its life."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from fakevm import names
from fakevm.control.file_claims import FileClaims
from fakevm.testing.labs import Lab, Labs

FILE = """\
neutron: false
hosts: {host1: {}, host2: {}}
guests:
  r1: {host: host1, interfaces: {eth1: {addresses: [10.9.0.1/24]}}}
  r2: {host: host2, interfaces: {eth1: {addresses: [10.9.0.2/24]}}}
links:
  core: r1:eth1 -- r2:eth1
checks:
  r1 reaches r2: {kind: ping, from: r1, to: r2, within: 20s}
"""
THIRD = """\
neutron: false
hosts: {host1: {}, host2: {}}
guests:
  r1: {host: host1, interfaces: {eth1: {addresses: [10.9.0.1/24]}, eth2: {addresses: [10.9.1.1/24]}}}
  r2: {host: host2, interfaces: {eth1: {addresses: [10.9.0.2/24]}}}
  r3: {host: host2, interfaces: {eth1: {addresses: [10.9.1.2/24]}}}
links:
  core: r1:eth1 -- r2:eth1
  spare: r1:eth2 -- r3:eth1
"""


@pytest.fixture(scope="module")
def lab(own_labs: Labs) -> Lab:
    return own_labs.up_from("bare", FILE)


def test_its_guests_reach_one_another_over_the_link(lab: Lab) -> None:
    assert lab.fakevm("exec", "r1", "--", "ping", "-c1", "-w20", "10.9.0.2").returncode == 0
    done = lab.fakevm("check", "-f", "json")
    assert [row["status"] for row in json.loads(done.stdout)] == ["met"], done.stderr


def test_nothing_but_agents_runs_in_it(lab: Lab) -> None:
    rows = {(row["host"], row["program"], row["state"], row["agent"]) for row in lab.told("lab", "status")}
    agents = {(host, "neutron-fakevm-agent", "running", "alive") for host in ("host1", "host2")}
    assert rows == {("", "host1", "running", ""), ("", "host2", "running", ""), *agents}
    assert (lab.record.endpoint, lab.record.transport_url, lab.record.events_endpoint) == ("", "", "")
    socket = lab.record.agent_socket("host1")
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (socket, socket.parent)]
    assert modes == [0o600, 0o700]


def test_commands_that_need_neutron_say_so(lab: Lab) -> None:
    for words in (("create-port", "net", "vm", "--host", "host1"), ("list",), ("events",)):
        done = lab.fakevm(*words)
        assert done.returncode == 2, words
        assert "has no Neutron" in done.stderr
        assert "Traceback" not in done.stderr


def test_a_dead_agent_is_told_at_once_and_its_guests_outlive_it(lab: Lab) -> None:
    stopped = lab.fakevm("lab", "stop", "host1/neutron-fakevm-agent")
    assert stopped.returncode == 0, stopped.stderr
    down = lab.fakevm("guest", "start", "r9", "--create", "--host", "host1")
    assert down.returncode == 1
    assert "agent on host1 is down: it does not run" in down.stderr
    wrong = {row["program"]: row["mend"] for row in lab.told("lab", "status") if row["problem"]}
    assert list(wrong) == ["neutron-fakevm-agent"]
    assert lab.fakevm("exec", "r1", "--", "ping", "-c1", "-w20", "10.9.0.2").returncode == 0
    assert lab.fakevm(*wrong["neutron-fakevm-agent"].split()[1:]).returncode == 0
    assert [row["name"] for row in lab.told("guest", "list")] == ["r1", "r2"]


def test_another_address_at_one_end_leaves_the_far_one_as_it_is(lab: Lab, tmp_path: Path) -> None:
    numbers = ("exec", "r2", "--", "cat", "/sys/class/net/eth1/ifindex", "/sys/class/net/eth1/carrier_changes")
    before = lab.fakevm(*numbers)
    assert before.returncode == 0, before.stderr
    other, same = tmp_path / "other.yaml", tmp_path / "same.yaml"
    other.write_text(FILE.replace("10.9.0.1/24", "10.9.0.7/24"))
    same.write_text(FILE)
    for file, address in ((other, "10.9.0.7"), (same, "10.9.0.1")):
        steps = lab.told("lab", "apply", str(file))
        assert [(step["action"], step["kind"], step["name"]) for step in steps] == [("replace", "interface", "r1:eth1")]
        assert lab.fakevm("exec", "r2", "--", "ping", "-c1", "-w20", address).returncode == 0
    assert lab.fakevm(*numbers).stdout == before.stdout


def test_a_guest_that_another_command_works_on_is_not_changed(lab: Lab, tmp_path: Path) -> None:
    other, r1 = tmp_path / "other.yaml", names.instance_id(lab.record.name, "r1")
    other.write_text(FILE.replace("10.9.0.1/24", "10.9.0.7/24"))
    before = lab.told("guest", "show", "r1")
    with FileClaims(lab.record.directory / "claims").held([], "a move", guests=[r1]):
        done = lab.fakevm("lab", "apply", str(other), "--timeout", "1")
    assert (done.returncode, "guest r1" in done.stderr, "a move is under way since" in done.stderr) == (1, True, True)
    assert lab.told("guest", "show", "r1") == before


def test_what_was_detached_by_hand_is_told_and_may_be_applied_anew(lab: Lab, tmp_path: Path) -> None:
    assert lab.fakevm("interface", "detach", "r2", "eth1").returncode == 0
    assert [(row["state"], row["kind"], row["name"]) for row in lab.told("lab", "diff")] == [
        ("missing", "interface", "r2:eth1")
    ]
    file = tmp_path / "lab.yaml"
    for text in (FILE.replace("10.9.0.2/24", "10.9.0.8/24"), FILE):
        file.write_text(text)
        assert lab.fakevm("lab", "apply", str(file)).returncode == 0
    assert lab.told("lab", "diff") == []


def test_a_guest_moves_with_its_end_of_the_link(lab: Lab) -> None:
    moved = lab.told("migrate", "host2", "r1", "--live")
    assert moved["outage"]["observer"] == "r2"
    assert {row["host"] for row in lab.told("guest", "list")} == {"host2"}
    assert lab.fakevm("exec", "r1", "--", "ping", "-c1", "-w20", "10.9.0.2").returncode == 0
    lab.told("migrate", "host1", "r1", "--cold")


def test_a_third_guest_comes_with_its_link_and_goes(lab: Lab, tmp_path: Path) -> None:
    more, less = tmp_path / "more.yaml", tmp_path / "less.yaml"
    more.write_text(THIRD)
    less.write_text(FILE)
    assert lab.fakevm("lab", "apply", str(more)).returncode == 0
    assert lab.fakevm("exec", "r3", "--", "ping", "-c1", "-w20", "10.9.1.1").returncode == 0
    assert lab.fakevm("exec", "r1", "--", "ping", "-c1", "-w20", "10.9.0.2").returncode == 0
    assert lab.told("lab", "diff") == []
    assert lab.fakevm("lab", "apply", str(less)).returncode == 0
    assert [row["name"] for row in lab.told("guest", "list")] == ["r1", "r2"]
    assert lab.fakevm("lab", "down", lab.record.name).returncode == 0
    assert not lab.record.directory.exists()
