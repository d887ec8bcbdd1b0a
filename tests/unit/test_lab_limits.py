"""What a lab of many hosts may lack."""

from __future__ import annotations

import pytest

from fakevm.backend.ovs import OvsBackend
from fakevm.doctor import limits as judged
from fakevm.doctor.finding import Status
from fakevm.lab import limits, reading
from fakevm.linux import limits as machine

BACKEND = OvsBackend()


@pytest.fixture(autouse=True)
def ample(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretend a machine that has enough for a hundred hosts."""
    enough = {"memory": 20_000, "open_files": 20_000, "neighbours": 20_000, "inotify_instances": 1024}
    for name, number in enough.items():
        monkeypatch.setattr(machine, name, lambda number=number: number)


def notes(number: int, more: str = "") -> list[str]:
    return list(limits.notes(reading.parse(f"hosts: {{compute: {{count: {number}}}}}\n{more}", "lab.yaml"), BACKEND))


def test_where_there_is_enough_nothing_is_said() -> None:
    assert notes(100) == []


@pytest.mark.parametrize(
    ("lacking", "number", "said"),
    [
        ("memory", 9000, "100 hosts need some 11.7 GB of memory, and 8.8 GB are available"),
        ("open_files", 1500, "the broker may open 1500 files"),
        ("neighbours", 1024, "some 32 guests can all talk to one another"),
    ],
)
def test_what_is_too_little_for_many_hosts_is_said(
    monkeypatch: pytest.MonkeyPatch, lacking: str, number: int, said: str
) -> None:
    monkeypatch.setattr(machine, lacking, lambda: number)
    [note] = notes(100)
    assert said in note
    assert notes(3) == []


def test_each_network_with_dhcp_needs_an_inotify_instance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "inotify_instances", lambda: 1)
    two = "  dhcp1: {roles: [dhcp]}\nnetworks: {a: {subnets: {b: {cidr: 10.0.0.0/24}, c: {cidr: 10.0.1.0/24}}}}\n"
    text = "hosts:\n  compute: {count: 30}\n" + two
    [note] = limits.notes(reading.parse(text, "lab.yaml"), BACKEND)
    assert "2 DHCP servers need more inotify instances than the 1 of a user" in note


def test_the_doctor_says_what_a_limit_is_good_for(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {finding.name: finding for finding in judged.check()}
    assert "some 141 guests" in found["neighbours"].detail
    monkeypatch.setattr(machine, "inotify_instances", lambda: 10)
    assert {f.name for f in judged.check() if f.status is Status.LIMITED} == {"inotify instances"}


def test_the_machine_says_its_limits() -> None:
    assert machine.memory() > 0
    assert machine.pids() > 0
