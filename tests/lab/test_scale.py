"""Labs of many hosts: all guests reach one another, hosts fail together and come back, and all of it ends soon."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import pytest

from fakevm.testing.mesh import ping_all

from . import machine
from .conftest import Lab, Labs, begun, interrupt, until

# Seconds for ``lab down``, and how many times as long it may take where others use the machine.
DOWN, SLACK = 5, 4

SMALL = [pytest.param("ovn", 10, 3, id="ovn-10", marks=pytest.mark.slow)]
LARGE = [
    pytest.param("ovs", 100, 10, id="ovs-100", marks=pytest.mark.slow),
    pytest.param("ovn", 200, 10, id="ovn-200", marks=pytest.mark.slow),
]


def file_of(backend: str, number: int) -> str:
    subnet = "{net-v4: {cidr: 10.20.0.0/16, dhcp: false}}"
    return f"backend: {backend}\nhosts: {{compute: {{count: {number}}}}}\nnetworks: {{net: {{subnets: {subnet}}}}}\n"


@pytest.mark.parametrize(("backend", "number", "failing"), [*SMALL, *LARGE])
def test_many_hosts(labs: Labs, backend: str, number: int, failing: int) -> None:
    before = machine.look(labs.mark)
    file = labs.folder / "many.yaml"
    file.write_text(file_of(backend, number))
    lab = labs.up("many", str(file), "--timeout", "900", timeout=3600)
    guests = _a_guest_on_each(lab, number)
    _all_pairs_answer(lab, number)
    assert f"compute1…compute{number}" in lab.fakevm("host", "list").stdout or number < 50
    _hosts_fail_and_return(lab, failing, guests)
    _all_pairs_answer(lab, number)
    _a_guest_moves(lab, guests[0], f"compute{number}")
    file.write_text(file_of(backend, number + 1))
    applied = lab.fakevm("lab", "apply", str(file))
    assert applied.returncode == 0, applied.stderr
    assert lab.guest("net", "newest", f"compute{number + 1}")["status"] == "ACTIVE"
    _all_pairs_answer(lab, number + 1)
    begin = time.monotonic()
    assert labs.fakevm("lab", "down", "many").returncode == 0
    assert time.monotonic() - begin < DOWN * SLACK
    assert not machine.left_behind(before, labs.mark)


def _a_guest_on_each(lab: Lab, number: int) -> list[dict[str, Any]]:
    _what_is_interrupted_is_taken_back(lab, number)
    guests: list[dict[str, Any]] = lab.told("create-port", "net", "guest", "--count", str(number), timeout=3600)
    assert Counter(guest["host"] for guest in guests) == {f"compute{n}": 1 for n in range(1, number + 1)}
    assert {guest["status"] for guest in guests} == {"ACTIVE"}
    return guests


def _what_is_interrupted_is_taken_back(lab: Lab, number: int) -> None:
    process = lab.labs.begin("--lab", lab.record.name, "create-port", "net", "late", "--count", str(number))
    begun(process)
    until(lambda: _in_neutron(lab), timeout=300)
    status, said = interrupt(process, timeout=900)
    assert status == 130, said
    assert "Undone: " in said
    assert "LEFT BEHIND" not in said
    assert _in_neutron(lab) == 0
    assert list(lab.record.directory.glob("hosts/*/agent/guests/*.json")) == []


def _in_neutron(lab: Lab) -> int:
    ports = lab.api("GET", "/ports?fields=id&fields=device_owner")["ports"]
    return sum(not port["device_owner"].startswith("network:") for port in ports)


def _all_pairs_answer(lab: Lab, number: int) -> None:
    answers = ping_all(lab.labs.record(lab.record.name), timeout=600)
    assert (answers.answered, answers.missing) == (number * (number - 1), ()), answers


def _hosts_fail_and_return(lab: Lab, failing: int, guests: list[dict[str, Any]]) -> None:
    hosts = [f"compute{n}" for n in range(2, failing + 2)]
    killed = lab.fakevm("host", "kill", *hosts)
    assert killed.returncode == 0, killed.stderr
    states = {row["name"]: row["state"] for row in lab.told("host", "list")}
    assert [name for name, state in states.items() if state != "running"] == hosts
    started = lab.fakevm("host", "start", *hosts, timeout=3600)
    assert started.returncode == 0, started.stderr
    assert {row["state"] for row in lab.told("host", "list")} == {"running"}
    assert {row["status"] for row in lab.told("list")} == {"ACTIVE"}
    assert len(lab.told("list")) == len(guests)


def _a_guest_moves(lab: Lab, guest: dict[str, Any], destination: str) -> None:
    words = ("migrate", destination, guest["vif_id"], "--host", guest["host"], "--live")
    moved = lab.told(*words, timeout=900)
    assert lab.told("show", guest["vif_id"])["host"] == destination, moved
