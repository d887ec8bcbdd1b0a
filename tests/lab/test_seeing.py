"""What is seen of a lab: packets at many points at once, and pictures. One lab without Neutron, in its life's order."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from xml.etree import ElementTree

import pytest

from fakevm.testing.labs import FAKEVM, Lab, Labs

from .conftest import until

FILE = """\
neutron: false
hosts: {host1: {}, host2: {}}
bridges: {lan: {}}
guests:
  r1: {host: host1, interfaces: {eth1: {addresses: [10.9.0.1/24]}, eth2: {bridge: lan, addresses: [10.8.0.1/24]}}}
  r2: {host: host2, interfaces: {eth1: {addresses: [10.9.0.2/24]}, eth2: {bridge: lan, addresses: [10.8.0.2/24]}}}
links:
  core: r1:eth1 -- r2:eth1
"""
MOVES = (("guest", "reboot", "r1"), ("migrate", "host2", "r1", "--live"), ("migrate", "host1", "r1", "--cold"))
PING = ("exec", "r1", "--", "ping", "-c3", "-i0.2", "-W30", "10.9.0.2")


@pytest.fixture(scope="module")
def bare(own_labs: Labs) -> Lab:
    return own_labs.up_from("seen", FILE)


@contextmanager
def capture(lab: Lab, folder: Path, *words: str) -> Iterator[Path]:
    """Capture into a file while something is done, and interrupt the capture then; what it says is in ``said``."""
    file, said = folder / "seen.pcapng", folder / "said"
    with said.open("w") as told:
        begun = subprocess.Popen(
            [FAKEVM, "capture", *words, "-w", str(file)], env=lab.labs.env(FAKEVM_LAB=lab.record.name),
            stdin=subprocess.DEVNULL, stdout=told, stderr=told, start_new_session=True,
        )  # fmt: skip
        try:
            until(lambda: "capturing at" in said.read_text() or begun.poll() is not None)
            yield file
            begun.send_signal(signal.SIGINT)
            assert begun.wait(timeout=60) == 0, said.read_text()
        finally:
            begun.kill()
            begun.wait()


def read(file: Path) -> list[str]:
    done = subprocess.run(["tcpdump", "-n", "-tt", "-r", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def times(lines: list[str]) -> list[float]:
    return [float(line.split()[0]) for line in lines]


def test_each_point_sees_each_packet_once_and_all_are_in_one_file(bare: Lab, tmp_path: Path) -> None:
    with capture(bare, tmp_path, "core", "r1:eth1", "r2", "lan", "icmp") as file:
        assert bare.fakevm(*PING).returncode == 0
        assert bare.fakevm(*PING[:-1], "10.8.0.2").returncode == 0
        until(lambda: len(_points(file)) == 6 * 5)
    every = read(file)
    assert Counter("10.8.0" in line for line in every) == {False: 6 * 3, True: 6 * 2}
    lines = [line for line in every if "10.9.0" in line]
    asked = Counter(line.split("seq ")[1].split(",")[0] for line in lines if "echo request" in line)
    answered = Counter(line.split("seq ")[1].split(",")[0] for line in lines if "echo reply" in line)
    assert asked == answered == {"1": 3, "2": 3, "3": 3}
    assert times(every) == sorted(times(every))
    assert all(name in file.read_bytes() for name in (b"core", b"r1:eth1", b"r2:eth1"))
    said = (tmp_path / "said").read_text()
    points = ("core", "r1:eth1", "r2:eth1", "r2:eth2", "lan")
    assert [f"{point}: 6 packets" in said for point in points] == [True] * 5


def test_a_pipe_gets_pcapng_and_limits_end_it(bare: Lab) -> None:
    begun = subprocess.Popen(
        [FAKEVM, "capture", "core", "--count", "4", "icmp"], env=bare.labs.env(FAKEVM_LAB=bare.record.name),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert begun.stderr
        assert b"capturing at core" in begun.stderr.readline()
        assert bare.fakevm(*PING).returncode == 0
        shown, _ = begun.communicate(timeout=60)
    finally:
        begun.kill()
    seen = subprocess.run(["tcpdump", "-n", "-r", "-"], input=shown, capture_output=True, check=True)
    assert len(seen.stdout.splitlines()) == 4


def test_tags_that_the_kernel_has_taken_off_are_seen(bare: Lab, tmp_path: Path) -> None:
    opened = "import socket; s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW); s.bind(('eth1', 0))"
    frame = "ffffffffffff" + "020000000001" + "8100" + "0005" + "88cc" + "00" * 50
    with capture(bare, tmp_path, "r2:eth1", "core", "vlan", "5") as file:
        assert (
            bare.fakevm(
                "exec", "r1", "--", sys.executable, "-c", f"{opened}; s.send(bytes.fromhex('{frame}'))"
            ).returncode
            == 0
        )
        until(lambda: len(_points(file)) == 2)
    assert file.read_bytes().count(bytes.fromhex(frame)) == 2


def test_a_device_of_a_host_is_a_point_and_a_time_a_limit(bare: Lab, tmp_path: Path) -> None:
    for point in ("lab:br-mgmt", "host1:mgmt"):
        done = bare.fakevm("capture", point, "--duration", "0.5", "-w", str(tmp_path / "seen.pcapng"))
        assert (done.returncode, f"capturing at {point};" in done.stderr) == (0, True)


def test_a_terminal_gets_lines_with_the_names_of_points(bare: Lab) -> None:
    ours, theirs = pty.openpty()
    begun = subprocess.Popen(
        [FAKEVM, "capture", "core", "r2:eth1", "--count", "4", "icmp"], stdin=subprocess.DEVNULL, stdout=theirs,
        stderr=subprocess.PIPE, env=bare.labs.env(FAKEVM_LAB=bare.record.name),
    )  # fmt: skip
    os.close(theirs)
    try:
        assert begun.stderr
        assert b"capturing at core, r2:eth1" in begun.stderr.readline()
        assert bare.fakevm(*PING).returncode == 0
        begun.communicate(timeout=60)
        shown = os.read(ours, 1 << 16).decode()
    finally:
        begun.kill()
        os.close(ours)
    assert shown.count("  core     IP 10.9.0.1 > 10.9.0.2: ICMP echo request") == 1
    assert shown.count("  r2:eth1  IP 10.9.0.1 > 10.9.0.2: ICMP echo request") == 1
    assert shown.count("\n") == 4


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("nope", "there is nothing to capture at 'nope'"),
        ("r1:eth7", "the guest r1 has no interface 'eth7'\nDid you mean 'eth"),
        ("r1:eth1 r2:eth7", "the guest r2 has no interface 'eth7'"),
        ("host1:eth9", "host1 has no device eth9"),
        ("host1:nowhere:eth9", "host1 has no device eth9 in a namespace nowhere"),
        ("core prot icmp", "tcpdump does not take the filter 'prot icmp': "),
    ],
)
def test_what_cannot_be_captured_is_told_at_once(bare: Lab, tmp_path: Path, words: str, said: str) -> None:
    file = tmp_path / "none.pcapng"
    done = bare.fakevm("capture", *words.split(), "-w", str(file))
    assert (done.returncode, file.exists()) == (2, False)
    assert said in done.stderr


def test_an_end_of_a_link_that_is_gone_is_told_with_what_mends_it(bare: Lab) -> None:
    listed = bare.fakevm("lab", "exec", "lab", "--", "ip", "-brief", "link").stdout
    device = next(line.split("@")[0] for line in listed.splitlines() if line.startswith("ln"))
    assert bare.fakevm("lab", "exec", "lab", "--", "ip", "link", "del", device).returncode == 0
    wrong = [row for row in bare.told("lab", "status") if row["problem"]]
    assert ["an end of a link is gone: " in row["problem"] for row in wrong] == [True]
    assert bare.fakevm(*wrong[0]["mend"].split()[1:]).returncode == 0
    assert not [row for row in bare.told("lab", "status") if row["problem"]]
    assert bare.fakevm(*PING).returncode == 0


def test_a_guest_is_followed_and_its_end_is_told(bare: Lab, tmp_path: Path) -> None:
    said = tmp_path / "said"
    with capture(bare, tmp_path, "r1:eth1", "core", "r2:eth1", "icmp") as file:
        for step in MOVES:
            assert bare.fakevm(*step).returncode == 0
            before = Counter(_points(file))
            # The points are looked for a few times a second.
            until(lambda before=before: bare.fakevm(*PING).returncode == 0 and _grew(before, file))
        assert bare.fakevm("guest", "remove", "r1").returncode == 0
        until(lambda: "r1:eth1: ended: the guest is gone" in said.read_text())
    assert times(read(file)) == sorted(times(read(file)))


def _points(file: Path) -> list[int]:
    """Number the points of a file's packets: the third word of an Enhanced Packet Block."""
    data, found, at = file.read_bytes(), [], 0
    while at + 12 <= len(data):
        kind, length, point = (int.from_bytes(data[at + i : at + i + 4], "little") for i in (0, 4, 8))
        found += [point] if kind == 6 else []
        at += length
    return found


def _grew(before: Counter[int], file: Path) -> bool:
    return all(Counter(_points(file))[point] > before[point] for point in range(3))


def test_the_last_point_that_ends_ends_the_capture(bare: Lab, tmp_path: Path) -> None:
    begun = bare.labs.begin(
        "capture", "core", "-w", str(tmp_path / "seen.pcapng"), env=bare.labs.env(FAKEVM_LAB="seen")
    )
    try:
        assert begun.stdout
        assert "capturing at core" in begun.stdout.readline()
        assert bare.fakevm("guest", "remove", "r2").returncode == 0
        told, _ = begun.communicate(timeout=60)
    finally:
        begun.kill()
    assert begun.returncode == 0
    assert "core: ended: the link is gone" in told


def test_a_picture_shows_what_is_there_now(bare: Lab, tmp_path: Path) -> None:
    file = tmp_path / "bare.yaml"
    file.write_text(FILE)
    assert bare.fakevm("lab", "apply", str(file)).returncode == 0
    assert bare.fakevm("guest", "start", "--create", "extra", "--host", "host2").returncode == 0
    assert bare.fakevm("guest", "stop", "extra").returncode == 0
    graph = json.loads(bare.fakevm("graph", "-f", "json").stdout)
    assert {guest["name"]: (guest["host"], guest["state"]) for guest in graph["guests"]} == {
        "r1": ("host1", "running"), "r2": ("host2", "running"), "extra": ("host2", "stopped")
    }  # fmt: skip
    assert [(link["name"], link["ends"], link["state"]) for link in graph["links"]] == [
        ("core", [["r1", "eth1"], ["r2", "eth1"]], "up")
    ]
    assert [bridge["name"] for bridge in graph["bridges"]] == ["lan"]
    assert bare.fakevm("link", "cut", "core").returncode == 0
    picture = tmp_path / "bare.svg"
    assert bare.fakevm("graph", "seen", "-o", str(picture)).returncode == 0
    shown = "".join(ElementTree.fromstring(picture.read_text()).itertext())
    assert all(word in shown for word in ("host1", "r1", "10.9.0.1/24", "extra", "stopped", "lan", "link that is cut"))
    from_file = bare.fakevm("graph", str(file), "-f", "mermaid")
    assert from_file.stdout.startswith("flowchart TB\n")


def test_ports_and_what_is_in_namespaces_of_hosts_are_points(lab: Lab, tmp_path: Path) -> None:
    lab.network("seen", "10.77.0.0/24")
    try:
        vm = lab.guest("seen", "vm-seen", "compute1")
        device = lab.told("guest", "show", "vm-seen")["interfaces"][0]["name"]
        server = json.loads(lab.openstack("port", "list", "--network", "seen", "--device-owner", "network:dhcp",
                                          "-f", "json").stdout)[0]  # fmt: skip
        points = (f"vm-seen:{device}", f"network1:tap{server['ID'][:11]}")
        with capture(lab, tmp_path, *points, "icmp") as file:
            assert lab.reaches(vm, server["Fixed IP Addresses"][0]["ip_address"], within=60)
            until(lambda: len(set(_points(file))) == 2)
        assert all(point.encode() in file.read_bytes() for point in points)
        graph = json.loads(lab.fakevm("graph", "-f", "json").stdout)
        assert {"name": "seen", "type": "vxlan", "external": False, "subnets": {"seen": "10.77.0.0/24"}} in graph[
            "networks"
        ]
        seen = next(guest for guest in graph["guests"] if guest["name"] == "vm-seen")
        assert (seen["host"], seen["interfaces"][0]["attached"]) == ("compute1", "seen")
        assert seen["interfaces"][0]["addresses"] == vm["addresses"]
    finally:
        lab.remove_network("seen")
