"""Links and bridges between two hosts, of every carrier: what passes; and links while all goes on. One lab."""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from fakevm.link.carriers import CARRIERS
from fakevm.testing.labs import FAKEVM, Lab, Labs

from . import frames
from .conftest import until

ALL = ("veth", *CARRIERS)
BRIDGES = ("hub", "tree")
# In r1 and r2 a device each for every carrier, called so, and one in each bridge.
DEVICES = (*ALL, *BRIDGES)
FILE = """\
neutron: false
hosts: {host1: {}, host2: {}, host3: {}}
guests:
  r1: {host: host1, interfaces: {veth: {addresses: [10.9.0.1/24]}, hub: {bridge: hub}, tree: {bridge: tree}}}
  r2: {host: host2, interfaces: {veth: {addresses: [10.9.0.2/24]}, hub: {bridge: hub}, tree: {bridge: tree}}}
bridges:
  hub:
  tree: {stp: true, forward_delay: 2s}
links:
  l-veth: r1:veth -- r2:veth
  l-udp: {ends: [r1:udp, r2:udp], carrier: udp, mtu: 9216}
  l-tcp: {ends: [r1:tcp, r2:tcp], carrier: tcp, mtu: 9216}
  l-multicast: {ends: [r1:multicast, r2:multicast], carrier: multicast, mtu: 9216}
  l-vxlan: {ends: [r1:vxlan, r2:vxlan], carrier: vxlan, mtu: 9216}
"""
# What the kernel keeps, of a bridge and of one that takes part in spanning tree (docs/reference/links.md).
KEPT = {"hub": {"pause"}, "tree": {"pause", "STP", "RSTP"}}


@pytest.fixture(scope="module")
def lab(own_labs: Labs) -> Lab:
    return own_labs.up_from("wired", FILE)


class Taking:
    """What comes by the devices of a guest."""

    def __init__(self, lab: Lab, guest: str) -> None:
        program = [sys.executable, str(Path(frames.__file__)), "take", *DEVICES]
        self._process = subprocess.Popen(
            [FAKEVM, "exec", guest, "--", *program], env=lab.labs.env(FAKEVM_LAB=lab.record.name),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0,
        )  # fmt: skip
        self.seen: list[tuple[str, str, bool]] = []
        self._begun = b""
        assert self._process.stdout
        assert self._process.stdout.readline() == b"ready\n"

    def until_quiet(self, wanted: Counter[tuple[str, str]]) -> None:
        """Read until all that is wanted has come, a minute at most, and what comes within a moment more."""
        assert self._process.stdout
        while select.select([self._process.stdout], [], [], 0.5 if not wanted - self.counted else 60)[0]:
            came = os.read(self._process.stdout.fileno(), 65536)
            assert came, "it has ended"
            *lines, self._begun = (self._begun + came).split(b"\n")
            self.seen += [(device, name, whole) for device, name, whole, _ in map(json.loads, lines)]

    @property
    def counted(self) -> Counter[tuple[str, str]]:
        """What came whole, and how often."""
        return Counter((device, name) for device, name, whole in self.seen if whole)

    def end(self) -> None:
        """End it."""
        self._process.communicate(timeout=60)


def wanted() -> Counter[tuple[str, str]]:
    return Counter({(dev, name): 1 for dev in DEVICES for name in frames.FRAMES if name not in KEPT.get(dev, ())})


def passed(lab: Lab, source: str, target: str) -> tuple[Counter[tuple[str, str]], list[tuple[str, str, bool]]]:
    """Send all frames from one guest; tell what came whole at the other, and what came back."""
    there, here = Taking(lab, target), Taking(lab, source)
    try:
        done = lab.fakevm("exec", source, "--", sys.executable, str(Path(frames.__file__)), "send", *DEVICES)
        assert done.returncode == 0, done.stderr
        there.until_quiet(wanted())
        here.until_quiet(Counter())
        return there.counted, here.seen
    finally:
        there.end()
        here.end()


@pytest.fixture(scope="module")
def forwarding(lab: Lab) -> Lab:
    """Wait until the bridge with spanning tree forwards."""
    ports = "bridge -json link show"

    def forwards() -> bool:
        done = lab.fakevm("lab", "exec", "lab", "--", *ports.split())
        states = [port["state"] for port in json.loads(done.stdout)]
        return len(states) >= 4 and set(states) == {"forwarding"}

    until(forwards)
    return lab


@pytest.fixture(scope="module")
def before_and_after(forwarding: Lab) -> dict[str, tuple[Counter[tuple[str, str]], list[tuple[str, str, bool]]]]:
    """Send all frames both ways between two hosts, and again when one guest has moved to a third."""
    lab = forwarding
    seen = {"there": passed(lab, "r1", "r2"), "back": passed(lab, "r2", "r1")}
    moved = lab.fakevm("migrate", "host3", "r1", "--live")
    assert moved.returncode == 0, moved.stderr
    ports = ("lab", "exec", "lab", "--", "bridge", "-json", "link", "show")
    until(lambda: {port["state"] for port in json.loads(lab.fakevm(*ports).stdout)} == {"forwarding"})
    return seen | {"there, moved": passed(lab, "r1", "r2"), "back, moved": passed(lab, "r2", "r1")}


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", frames.FRAMES)
def test_each_frame_passes_once_as_it_is(
    before_and_after: dict[str, tuple[Counter[tuple[str, str]], list[tuple[str, str, bool]]]], device: str, name: str
) -> None:
    came = {way: counted[device, name] for way, (counted, _) in before_and_after.items()}
    assert came == dict.fromkeys(before_and_after, 0 if name in KEPT.get(device, ()) else 1)
    assert [seen for _, back in before_and_after.values() for seen in back if seen[:2] == (device, name)] == []


def test_a_jumbo_packet_passes_each_carrier(lab: Lab) -> None:
    for carrier in CARRIERS:
        for guest, address in (("r1", "fe80::1"), ("r2", "fe80::2")):
            done = lab.fakevm("exec", guest, "--", "ip", "address", "add", f"{address}/64", "dev", carrier, "nodad")
            assert done.returncode == 0, done.stderr
        size = 9216 - 40 - 8
        ping = ("ping", "-c1", "-w20", "-M", "do", "-s", str(size), f"fe80::2%{carrier}")
        assert lab.fakevm("exec", "r1", "--", *ping).returncode == 0, carrier


def free() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def states(lab: Lab) -> dict[str, str]:
    return {row["name"]: row["state"] for row in lab.told("link", "list")}


NUMBERS = ("cat", "/sys/class/net/veth/ifindex", "/sys/class/net/veth/carrier_changes")


def test_a_link_that_is_cut_stays_so_until_it_is_joined(lab: Lab) -> None:
    before = lab.fakevm("exec", "r2", "--", *NUMBERS).stdout
    ping = ("exec", "r1", "--", "ping", "-c1", "-W1", "10.9.0.2")
    assert lab.fakevm("link", "cut", "l-veth").returncode == 0
    assert states(lab)["l-veth"] == "cut"
    assert lab.fakevm("guest", "reboot", "r1").returncode == 0
    assert lab.fakevm(*ping).returncode == 1
    assert "is cut already" in lab.fakevm("link", "cut", "l-veth").stderr
    assert lab.fakevm("link", "join", "l-veth").returncode == 0
    assert lab.fakevm("exec", "r1", "--", "ping", "-c1", "-w20", "10.9.0.2").returncode == 0
    assert lab.fakevm("exec", "r2", "--", *NUMBERS).stdout == before


def test_an_end_that_was_detached_comes_back(lab: Lab, tmp_path: Path) -> None:
    file = tmp_path / "lab.yaml"
    file.write_text(FILE)
    for back in (("link", "join", "l-veth"), ("lab", "apply", str(file))):
        assert lab.fakevm("interface", "detach", "r2", "veth").returncode == 0
        down = lab.told("link", "show", "l-veth")
        assert (down["state"], down["problem"]) == ("down", "r2 has no veth")
        assert lab.fakevm(*back).returncode == 0
        assert states(lab)["l-veth"] == "up"
        assert lab.fakevm("exec", "r1", "--", "ping", "-c1", "-w20", "10.9.0.2").returncode == 0
    nothing = lab.fakevm("lab", "apply", str(file))
    assert "Nothing to do" in nothing.stdout + nothing.stderr


def test_links_come_and_go_and_lead_out_while_all_goes_on(lab: Lab) -> None:
    port = free()
    added = lab.told("link", "add", "out", "r1:out", "--carrier", "tcp", "--local", f"127.0.0.1:{port}")
    assert (added["state"], added["problem"]) == ("waiting", "the far end has not answered yet")
    taken = lab.fakevm("link", "add", "more", "r2:out", "--carrier", "tcp", "--local", f"127.0.0.1:{port}")
    assert taken.returncode == 1
    assert "Address already in use" in taken.stderr
    again = lab.fakevm("link", "add", "out", "r1:out", "r2:out")
    assert again.returncode == 1
    for ends, said in ((("r1:out", "r2:x"), "is an end of the link"), (("r9:x", "r2:x"), "there is no guest 'r9'")):
        wrong = lab.fakevm("link", "add", "wrong", *ends)
        assert wrong.returncode == 2, wrong.stderr
        assert said in wrong.stderr
    frame = frames.marked("LLDP")
    for kill in ((), ("link-out",), ("sockets-of-links", "link-out")):
        # A relay that is killed comes back with the socket that is held; its holder's death alone changes nothing.
        if kill:
            assert lab.fakevm("lab", "kill", kill[0]).returncode == 0
        with socket.create_connection(("127.0.0.1", port), timeout=60) as far:
            until(lambda: states(lab)["out"] == "up")
            far.sendall(len(frame).to_bytes(4, "big") + frame)
    assert lab.fakevm("lab", "kill", "sockets-of-links").returncode == 0
    # With both gone nothing in the lab can open its socket anew.
    assert lab.fakevm("lab", "kill", "link-out").returncode == 1
    until(lambda: "fakevm link join out" in lab.told("link", "show", "out")["problem"])
    assert lab.fakevm("link", "join", "out").returncode == 0
    with socket.create_connection(("127.0.0.1", port), timeout=60) as far:
        until(lambda: states(lab)["out"] == "up")
        far.sendall(len(frame).to_bytes(4, "big") + frame)
    until(lambda: states(lab)["out"] == "lost")
    assert "out" in lab.fakevm("lab", "export").stdout
    assert lab.fakevm("link", "remove", "out").returncode == 0
    assert "out" not in states(lab)
    assert lab.fakevm("exec", "r1", "--", "ip", "link", "show", "out").returncode == 1
    with socket.socket() as sock:
        # Nobody holds its socket any more.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", port))


def test_nothing_is_left_of_it(lab: Lab) -> None:
    assert lab.fakevm("lab", "down", lab.record.name).returncode == 0
    assert not lab.record.directory.exists()
