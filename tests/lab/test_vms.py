"""Guests that are virtual machines, in a lab without Neutron: one lab, in the order of its life."""

from __future__ import annotations

import pytest

from fakevm.testing.labs import Lab, Labs

from .conftest import until

pytestmark = pytest.mark.slow
FILE = """\
neutron: false
hosts: {host1: {}, host2: {}}
guests:
  vm1: {kind: vm, host: host1, sysctl: {net.ipv4.ip_forward: 1}, interfaces: {left: {addresses: [10.9.0.1/24]}}}
  fake1: {host: host2, interfaces: {eth1: {addresses: [10.9.0.2/24]}}}
links: {core: "vm1:left -- fake1:eth1"}
checks:
  to it: {kind: ping, from: fake1, to: vm1, within: 120s}
  from it: {kind: ping, from: vm1, to: fake1, within: 120s}
  it forwards: {kind: command, from: vm1, run: cat /proc/sys/net/ipv4/ip_forward, shows: ^1$}
"""
MOVES = 10


@pytest.fixture(scope="module")
def lab(own_labs: Labs) -> Lab:
    return own_labs.up_from("machines", FILE)


def inside(lab: Lab, line: str, *words: str) -> str:
    return lab.fakevm("exec", *words, "vm1", "--", "sh", "-c", line).stdout.strip()


def is_met(lab: Lab) -> None:
    checked = lab.fakevm("check")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_it_is_as_its_file_says(lab: Lab) -> None:
    is_met(lab)
    (seen,) = (row for row in lab.told("guest", "list") if row["name"] == "vm1")
    assert (seen["kind"], seen["state"], seen["problem"]) == ("vm", "running", "")
    assert "10.9.0.1/24" in str(seen["interfaces"])
    assert lab.fakevm("check", "--invert").returncode == 1


@pytest.mark.parametrize("way", [(), ("--remote",)], ids=["here", "remote"])
def test_a_command_ends_as_anywhere(lab: Lab, way: tuple[str, ...]) -> None:
    assert inside(lab, "hostname", *way) == "vm1"
    assert inside(lab, "seq 3000", *way).split() == [str(number) for number in range(1, 3001)]
    for line, status in (("exit 7", 7), ("kill -TERM $$", 143), ("exec no-such-command", 127)):
        assert lab.fakevm("exec", *way, "vm1", "--", "sh", "-c", line).returncode in (status, 128 - status)
    assert lab.fakevm("exec", *way, "--timeout", "2", "vm1", "--", "sleep", "1000").returncode == 124
    until(lambda: inside(lab, "pidof sleep", *way) == "")
    assert lab.fakevm("exec", *way, "vm1", "--", "cat", input="fed\n").stdout == "fed\n"


def test_its_console_is_there(lab: Lab) -> None:
    joined = lab.fakevm("guest", "console", "vm1", input="echo on the''re\n")
    assert joined.returncode == 0, joined.stderr
    assert "on there" in joined.stdout
    until(lambda: "on there" in lab.fakevm("guest", "log", "vm1").stdout)
    assert lab.fakevm("guest", "console", "fake1").returncode != 0


def test_it_moves_alive_and_goes_on(lab: Lab) -> None:
    inside(lab, "echo kept >/tmp/kept; setsid sleep 100000 &")
    before = inside(lab, "pidof sleep")
    assert before
    for number in range(MOVES):
        moved = lab.fakevm("migrate", ("host2", "host1")[number % 2], "vm1", "-f", "json")
        assert moved.returncode == 0, moved.stderr
        # Others sleep, too: what feeds a command.
        assert inside(lab, f"kill -0 {before} && cat /tmp/kept") == "kept"
    is_met(lab)


def test_it_shuts_down_when_its_button_is_pressed(lab: Lab) -> None:
    assert lab.fakevm("guest", "stop", "vm1").returncode == 0
    assert "going down" in lab.fakevm("guest", "log", "vm1").stdout
    assert lab.fakevm("guest", "start", "vm1").returncode == 0
    is_met(lab)
    assert lab.fakevm("guest", "stop", "--hard", "vm1").returncode == 0
    assert "going down" not in lab.fakevm("guest", "log", "vm1").stdout
    assert lab.fakevm("guest", "start", "vm1").returncode == 0
    is_met(lab)


def test_it_ends_and_begins(lab: Lab) -> None:
    assert lab.fakevm("guest", "reboot", "vm1").returncode == 0
    is_met(lab)
    assert inside(lab, "cat /tmp/kept") == ""
    inside(lab, "poweroff -f")
    until(lambda: "has ended" in str([row["problem"] for row in lab.told("guest", "list") if row["name"] == "vm1"]))
    assert lab.fakevm("guest", "start", "vm1").returncode == 0
    is_met(lab)
