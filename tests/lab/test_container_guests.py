"""Guests that are containers, in a lab without Neutron: one lab, in the order of its life."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fakevm.testing.labs import Lab, Labs

FILE = """\
neutron: false
guest_kind: container
hosts: {host1: {}, host2: {}}
guests:
  r1: {host: host1, interfaces: {eth1: {addresses: [10.9.0.1/24]}}, run: [hostname > $HOME/name]}
  r2: {host: host2, interfaces: {eth1: {addresses: [10.9.0.2/24]}}}
  r3: {host: host2, kind: namespace}
links:
  core: r1:eth1 -- r2:eth1
checks:
  reached: {kind: ping, from: r1, to: r2, within: 20s}
  runs what the guest has: {kind: command, from: r1, run: cat name, shows: r1}
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    labs = Labs.made()
    file = tmp_path_factory.mktemp("files") / "lab.yaml"
    file.write_text(FILE)
    try:
        yield labs.up("contained", str(file))
    finally:
        labs.remove()


def inside(lab: Lab, guest: str, line: str, *words: str) -> str:
    return lab.fakevm("exec", *words, guest, "--", "sh", "-c", line).stdout.strip()


def test_it_is_as_its_file_says(lab: Lab) -> None:
    checked = lab.fakevm("check")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    kinds = {row["name"]: row["kind"] for row in lab.told("guest", "list")}
    assert kinds == {"r1": "container", "r2": "container", "r3": "namespace"}


@pytest.mark.parametrize("way", [(), ("--remote",)], ids=["here", "remote"])
def test_a_command_is_alone_in_its_guest_and_ends_as_anywhere(lab: Lab, way: tuple[str, ...]) -> None:
    assert inside(lab, "r1", "ps -e -o comm=", *way).split()[1:] == ["sh", "ps"]
    for line, status in (("exit 7", 7), ("kill -TERM $$", 143), ("exec no-such-command", 127)):
        # A shell shows a death by signal 15 (-15 here) as 143, too.
        assert lab.fakevm("exec", *way, "r1", "--", "sh", "-c", line).returncode in (status, 128 - status)
    assert lab.fakevm("exec", *way, "--timeout", "1", "r1", "--", "sleep", "1000").returncode == 124
    assert inside(lab, "r1", "pgrep sleep", *way) == ""


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
    assert list(place.iterdir())
    assert lab.fakevm("guest", "remove", "r1").returncode == 0
    assert not list(place.iterdir())
    made = lab.fakevm("guest", "start", "r9", "--create", "--host", "host1")
    assert made.returncode == 0, made.stderr
    assert inside(lab, "r9", "hostname; ls -A $HOME") == "r9"
