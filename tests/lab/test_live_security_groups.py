"""Security groups that change under connections: who may not any more is cut off at once, all others go on."""

from __future__ import annotations

import contextlib
import itertools
import json
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import Lab, Labs, until

EXAMPLE = Path(__file__).parents[2] / "examples/stateless/lab.yaml"

pytestmark = [pytest.mark.lab, pytest.mark.slow]

LAB = """\
name: live
backend: BACKEND
HOSTS
networks: {private: {subnets: {private4: {cidr: 10.0.0.0/24}}}}
security_groups:
  web:
    rules:
      - {protocol: tcp, ports: 80}
      - {protocol: tcp, ports: 81, remote_group: friends}
      - {protocol: tcp, ports: 82}
  friends: {}
  strangers: {}
guests:
  server:
    host: compute1
    ports: [{network: private, security_groups: [web], fixed_ips: [10.0.0.10]}]
    run:
      - background: true
        command: |
          exec python3 -c '
SERVER
          '
  reader: {host: compute2, ports: [{network: private, security_groups: [strangers]}]}
  friend: {host: compute2, ports: [{network: private, security_groups: [friends]}]}
  other: {host: compute2, ports: [{network: private, security_groups: [friends]}]}
"""
SERVER = """
import socketserver, threading
class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        while word := self.request.recv(100): self.request.sendall(word)
for port in (80, 81, 82):
    server = socketserver.ThreadingTCPServer(("", port), Echo)
    threading.Thread(target=server.serve_forever).start()
"""
CLIENT = """
import socket, sys, time
talk = socket.create_connection(("10.0.0.10", int(sys.argv[1])), 60)
talk.settimeout(600)
while True:
    talk.sendall(b"x")
    if not talk.recv(1): break
    print(time.time(), flush=True)
    time.sleep(0.05)
"""
HOSTS = {
    "ovs": "hosts: {compute1: {roles: [compute, dhcp]}, compute2: {}}",
    "hybrid": "hosts: {compute1: {roles: [compute, dhcp], firewall: iptables_hybrid}, compute2: {}}",
    "ovn": "hosts: {compute1: {}, compute2: {}}",
}
# Seconds: neutron-openvswitch-agent looks for what it was told every two.
AT_ONCE = 15.0


class Talk:
    """When answers came over a connection."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def answers(self) -> list[float]:
        """Give the times of all answers so far."""
        return [float(line) for line in self._file.read_text().splitlines() if line.count(".") == 1]

    def goes_on(self) -> None:
        """Wait for ten more answers."""
        before = len(self.answers())
        until(lambda: len(self.answers()) >= before + 10)

    def ended_after(self, moment: float) -> float:
        """Wait until nothing came for five seconds; say how long after a moment the last answer came."""
        until(lambda: time.time() - self.answers()[-1] > 5, timeout=120)
        return self.answers()[-1] - moment

    def longest_pause(self) -> float:
        """Give the longest time between two answers."""
        times = self.answers()
        return max(later - earlier for earlier, later in itertools.pairwise(times))


@contextlib.contextmanager
def talking(lab: Lab, guest: str, port: int, folder: Path) -> Iterator[Talk]:
    """Keep a connection to the server busy, from a guest."""
    file = folder / f"{guest}-{port}"
    with file.open("w") as output:
        words = ("--lab", lab.record.name, "exec", guest, "--", "python3", "-c", CLIENT, str(port))
        process = lab.labs.begin(*words, stdout=output)
    talk = Talk(file)
    try:
        until(lambda: len(talk.answers()) > 10)
        yield talk
    finally:
        process.terminate()
        process.wait(timeout=60)


def applied(lab: Lab, file: Path, old: str, new: str) -> float:
    """Change the lab's file in one place, and the lab; gives when that was done."""
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    done = lab.fakevm("lab", "apply", str(file), "-f", "json")
    assert done.returncode == 0, done.stderr
    assert not [step for step in json.loads(done.stdout) if step["kind"] == "guest"]
    return time.time()


@pytest.mark.parametrize("firewall", list(HOSTS))
def test_who_may_not_any_more_is_cut_off_at_once(firewall: str, labs: Labs) -> None:
    backend = firewall if firewall == "ovn" else "ovs"
    file = labs.folder / "live.yaml"
    text = LAB.replace("BACKEND", backend).replace("HOSTS", HOSTS[firewall])
    file.write_text(text.replace("SERVER\n", textwrap.indent(SERVER, " " * 10)))
    up = labs.fakevm("lab", "up", str(file))
    assert up.returncode == 0, up.stderr
    lab = Lab(labs, labs.record("live"))
    with (
        talking(lab, "reader", 80, labs.folder) as read,
        talking(lab, "friend", 81, labs.folder) as liked,
        talking(lab, "other", 81, labs.folder) as other,
        talking(lab, "reader", 82, labs.folder) as beside,
    ):
        rule_gone = applied(lab, file, "      - {protocol: tcp, ports: 80}\n", "")
        after_rule = read.ended_after(rule_gone)
        member = "friend: {host: compute2, ports: [{network: private, security_groups: "
        member_gone = applied(lab, file, f"{member}[friends]", f"{member}[strangers]")
        after_member = liked.ended_after(member_gone)
        for talk in (other, beside):
            talk.goes_on()
        print(f"{firewall}: rule {after_rule:.1f} s, member {after_member:.1f} s,", end=" ")
        print(f"longest pauses of others {other.longest_pause():.2f} s, {beside.longest_pause():.2f} s")
        assert after_rule < AT_ONCE
        assert after_member < AT_ONCE
        assert max(other.longest_pause(), beside.longest_pause()) < 2.0
        applied(lab, file, "    rules:\n", "    rules:\n      - {protocol: tcp, ports: 80}\n")
    with talking(lab, "reader", 80, labs.folder) as again:
        again.goes_on()
    assert labs.fakevm("lab", "down", "live").returncode == 0


def test_a_stateless_group_is_stateful_with_the_firewall_openvswitch(labs: Labs) -> None:
    """Finding 0011."""
    up = labs.up("stateless", str(EXAMPLE))
    rows = json.loads(up.fakevm("check", "-f", "json").stdout)
    assert {row["status"] for row in rows} == {"met"}, rows
    told = labs.fakevm("lab", "validate", str(EXAMPLE))
    assert "'one-way' is stateful all the same on native" in told.stderr
    assert labs.fakevm("lab", "down", "stateless").returncode == 0
