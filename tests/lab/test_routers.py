"""Routers and what else guests keep running: one lab without Neutron, in the order of its life."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fakevm import tool
from fakevm.testing.labs import Lab, Labs
from fakevm.waiting import until

FILE = """\
neutron: false
hosts: {host1: {}, host2: {}}
guests:
  r1:
    host: host1
    routing: {frr: {ospf: {area: 0}, bgp: {as: 65001, neighbours: {10.9.2.2: 65003}, networks: [203.0.113.0/24]}}}
    interfaces: {eth3: {addresses: [10.9.2.1/30]}}
  r2: {host: host1, routing: {bird: {ospf: {area: 0}}}, kind: container}
  r3:
    host: host2
    kind: container
    routing: {bird: {ospf: {area: 0}, bgp: {as: 65003, neighbours: {10.9.2.1: 65001}, networks: [198.51.100.0/24]}}}
    interfaces: {eth3: {addresses: [10.9.2.2/30]}}
    run:
      - {command: 'echo began; exec sleep infinity', restart: always}
links:
  a: r1:eth1 -- r2:eth1
  b: r2:eth2 -- r3:eth1
  c: r1:eth3 -- r3:eth3
checks:
  r1 is a neighbour of both: {kind: ospf, from: r1, within: 60s}
  r2 is a neighbour of both: {kind: ospf, from: r2, within: 60s}
  r1 and r3 speak BGP: {kind: bgp, from: r1, within: 60s}
  and so do r3 and r1: {kind: bgp, from: r3, within: 60s}
  r1 learnt what r3 announces: {kind: route, from: r1, to: 198.51.100.0/24, via: 10.9.2.2, within: 60s}
  r3 learnt what r1 announces: {kind: route, from: r3, to: 203.0.113.0/24, via: r1, ways: 1, within: 60s}
  r2 knows r3's loopback: {kind: route, from: r2, to: r3, via: eth2, within: 60s}
  r1 is cabled as the file says: {kind: neighbour, from: r1}
  r2 is cabled as the file says: {kind: neighbour, from: r2}
"""


@pytest.fixture(scope="module")
def lab(own_labs: Labs) -> Lab:
    for name in ("frr", "bird"):
        tool.install(name)
    return own_labs.up_from("routers", FILE)


def daemons(lab: Lab, guest: str) -> dict[str, dict[str, Any]]:
    done = lab.fakevm("guest", "show", guest, "-f", "json")
    assert done.returncode == 0, done.stderr
    return {daemon["name"]: daemon for daemon in json.loads(done.stdout)["daemons"]}


def pids(lab: Lab, guest: str) -> dict[str, int]:
    return {name: daemon["pid"] for name, daemon in daemons(lab, guest).items()}


def wait(lab: Lab, guest: str, what: str, *, other_than: dict[str, int] | None = None) -> dict[str, int]:
    """Wait until all that a guest keeps running runs, as other processes than before."""

    def not_yet() -> str:
        now = pids(lab, guest)
        same = [name for name, pid in now.items() if not pid or (other_than and pid == other_than.get(name))]
        return f"{', '.join(same)}: {now}" if same else ""

    until(not_yet, f"{what}: not all of {guest} runs", 60.0, pause=0.3)
    return pids(lab, guest)


def kill(lab: Lab, host: str, pid: int) -> None:
    """Kill a process by the number that it has on its host."""
    assert lab.fakevm("lab", "exec", host, "--", "kill", "-KILL", str(pid)).returncode == 0


def check(lab: Lab, *options: str) -> dict[str, str]:
    done = lab.fakevm("check", "-f", "json", *options, timeout=300)
    return {row["name"]: f"{row['status']}: {row['seen']}" for row in json.loads(done.stdout)}


def test_they_find_one_another_and_each_check_can_fail(lab: Lab) -> None:
    met = check(lab)
    assert {status.partition(":")[0] for status in met.values()} == {"met"}, met
    assert {status.partition(":")[0] for status in check(lab, "--invert").values()} == {"failed"}


def test_a_daemon_that_dies_is_started_again_with_its_configuration(lab: Lab) -> None:
    before = wait(lab, "r1", "at first")
    assert set(before) == {"zebra", "bgpd", "ospfd"}
    # The others begin anew with it: they do not tell it what they told the one before.
    kill(lab, "host1", before["zebra"])
    wait(lab, "r1", "after a kill", other_than=before)
    met = check(lab, "--only", "r1 is a neighbour of both", "--only", "r1 learnt what r3 announces")
    assert {status.partition(":")[0] for status in met.values()} == {"met"}, met


def test_they_go_on_while_their_host_s_agent_is_killed(lab: Lab) -> None:
    before = {guest: wait(lab, guest, "before") for guest in ("r1", "r2")}
    assert lab.fakevm("lab", "kill", "host1/neutron-fakevm-agent").returncode == 0
    assert {guest: wait(lab, guest, "found again") for guest in ("r1", "r2")} == before
    kill(lab, "host1", before["r2"]["bird"])
    wait(lab, "r2", "found by the next agent, then killed", other_than=before["r2"])


def test_what_keeps_ending_is_told_and_an_edited_file_mends_it(lab: Lab, tmp_path: Path) -> None:
    own = wait(lab, "r3", "before")
    file = tmp_path / "lab.yaml"
    file.write_text(FILE.replace("echo began; exec sleep infinity", "echo alas; exit 7"))
    done = lab.fakevm("lab", "apply", str(file), timeout=120)
    assert done.returncode == 0, done.stderr

    def quiet() -> str:
        problem = str(daemons(lab, "r3")["echo"]["problem"])
        return "" if problem.startswith("echo keeps ending") else problem or "nothing is told"

    until(quiet, "it is not told that it keeps ending", 60.0, pause=0.3)
    assert "status 7; the last that it said: alas" in daemons(lab, "r3")["echo"]["problem"]
    (row,) = [row for row in lab.told("guest", "list") if row["name"] == "r3"]
    assert "echo keeps ending" in row["problem"]
    file.write_text(FILE)
    assert lab.fakevm("lab", "apply", str(file), timeout=120).returncode == 0
    assert wait(lab, "r3", "mended")["bird"] == own["bird"]


@pytest.mark.slow
def test_they_come_back_with_their_guest_and_their_host_and_go_along_with_it(lab: Lab) -> None:
    before = wait(lab, "r3", "before")
    assert lab.fakevm("guest", "reboot", "r3").returncode == 0
    rebooted = wait(lab, "r3", "rebooted", other_than=before)
    assert set(rebooted) == {"bird", "echo"}
    assert lab.fakevm("host", "kill", "host2").returncode == 0
    assert lab.fakevm("host", "start", "host2", timeout=120).returncode == 0
    wait(lab, "r3", "its host was killed")
    moved = lab.fakevm("migrate", "host1", "r3", "--cold", timeout=120)
    assert moved.returncode == 0, moved.stderr
    wait(lab, "r3", "moved")
    assert [row["host"] for row in lab.told("guest", "list") if row["name"] == "r3"] == ["host1"]
    met = check(lab, "--only", "r3 learnt what r1 announces", "--only", "r2 knows r3's loopback")
    assert {status.partition(":")[0] for status in met.values()} == {"met"}, met


def test_they_end_with_their_guest(lab: Lab) -> None:
    running = wait(lab, "r1", "before")
    assert lab.fakevm("guest", "stop", "r1").returncode == 0
    assert all(not pid for pid in pids(lab, "r1").values())
    shown = json.loads(lab.fakevm("guest", "show", "r1", "-f", "json").stdout)
    left = lab.fakevm("lab", "exec", "host1", "--", "ls", "/run/fakevm-daemons").stdout
    assert shown["namespace"] not in left
    for pid in running.values():
        assert lab.fakevm("lab", "exec", "host1", "--", "kill", "-0", str(pid)).returncode != 0
