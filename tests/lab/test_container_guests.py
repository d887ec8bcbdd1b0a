"""Guests that are containers, in a lab without Neutron: one lab, in the order of its life."""

from __future__ import annotations

import re
import subprocess
import tarfile
from pathlib import Path

import pytest

from fakevm import names
from fakevm.testing.labs import Lab, Labs

FILE = """\
neutron: false
guest_kind: container
hosts: {host1: {}, host2: {}}
guests:
  r1: {host: host1, interfaces: {eth1: {addresses: [10.9.0.1/24]}}, run: [hostname > $HOME/name]}
  r2: {host: host2, interfaces: {eth1: {addresses: [10.9.0.2/24]}}}
  r3: {host: host2, kind: namespace}
  r4: {host: host2, image: small, interfaces: {eth1: {addresses: [10.9.1.4/24]}}}
  r5: {host: host1, image: small, interfaces: {eth1: {addresses: [10.9.1.5/24]}}}
images: {small: small.tar.gz}
links:
  core: r1:eth1 -- r2:eth1
  small: r4:eth1 -- r5:eth1
checks:
  reached: {kind: ping, from: r1, to: r2, within: 20s}
  small ones, too: {kind: tcp, from: r4, to: r5, port: 80, within: 20s}
  runs what the guest has: {kind: command, from: r1, run: cat name, shows: r1}
"""


@pytest.fixture(scope="module")
def lab(own_labs: Labs) -> Lab:
    _pack(own_labs.folder / "small.tar.gz")
    return own_labs.up_from("contained", FILE)


def _pack(archive: Path) -> None:
    """Make a root file system of a shell alone, and what it is linked with."""
    linked = subprocess.run(["ldd", "/bin/sh"], capture_output=True, text=True, check=True).stdout
    files = ["/bin/sh", *re.findall(r"/\S+", linked)]
    with tarfile.open(archive, "w:gz", dereference=True) as made:
        for file in files:
            made.add(file)


def inside(lab: Lab, guest: str, line: str, *words: str) -> str:
    return lab.fakevm("exec", *words, guest, "--", "sh", "-c", line).stdout.strip()


def test_it_is_as_its_file_says(lab: Lab) -> None:
    checked = lab.fakevm("check")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    kinds = {row["name"]: row["kind"] for row in lab.told("guest", "list")}
    assert kinds == {name: "namespace" if name == "r3" else "container" for name in ("r1", "r2", "r3", "r4", "r5")}


@pytest.mark.parametrize("way", [(), ("--remote",)], ids=["here", "remote"])
def test_a_command_is_alone_in_its_guest_and_ends_as_anywhere(lab: Lab, way: tuple[str, ...]) -> None:
    assert inside(lab, "r1", "ps -e -o comm=", *way).split()[1:] == ["sh", "ps"]
    for line, status in (("exit 7", 7), ("kill -TERM $$", 143), ("exec no-such-command", 127)):
        # A shell shows a death by signal 15 (-15 here) as 143, too.
        assert lab.fakevm("exec", *way, "r1", "--", "sh", "-c", line).returncode in (status, 128 - status)
    assert lab.fakevm("exec", *way, "--timeout", "1", "r1", "--", "sleep", "1000").returncode == 124
    assert inside(lab, "r1", "pgrep sleep", *way) == ""


def test_a_root_file_system_of_ones_own_may_have_nothing_but_a_shell(lab: Lab) -> None:
    there = set(inside(lab, "r4", "cd /; echo *").split())
    assert there >= {"bin", "dev", "etc", "proc", "tmp"}
    assert not there & {"var", "home", "opt"}
    inside(lab, "r4", "echo mine > /mine")
    assert inside(lab, "r5", "test -e /mine || echo not mine") == "not mine"
    assert lab.fakevm("exec", "--timeout", "1", "r4", "--", "sh", "-c", "while :; do :; done").returncode == 124


def test_its_files_outlive_a_stop_its_agent_and_its_host(lab: Lab) -> None:
    for words in (
        ("guest", "reboot", "r1"),
        ("lab", "restart", "host1/neutron-fakevm-agent"),
        ("host", "kill", "host1"),
    ):
        assert lab.fakevm(*words).returncode == 0, words
    assert lab.fakevm("host", "start", "host1").returncode == 0
    assert inside(lab, "r1", "cat $HOME/name; ls -A /home") == "r1"
    assert lab.fakevm("check").returncode == 0


def test_a_guest_that_is_removed_leaves_nothing(lab: Lab) -> None:
    place = lab.record.host_directory("host1") / "agent/containers"
    before = {path.name for path in place.iterdir()}
    assert lab.fakevm("guest", "remove", "r1").returncode == 0
    assert before - {path.name for path in place.iterdir()} == {names.instance_id(lab.record.name, "r1")}
    made = lab.fakevm("guest", "start", "r9", "--create", "--host", "host1")
    assert made.returncode == 0, made.stderr
    assert inside(lab, "r9", "hostname; ls -A $HOME") == "r9"
