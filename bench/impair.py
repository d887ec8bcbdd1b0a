"""Impairments and shapes: how near they come to what is asked for, and how much passes them."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from fakevm.lab import registry

from . import mininet
from .command import FAKEVM, LAB, environment, fakevm
from .figure import Figure, middle, spread

TOPIC = "Impairments and shapes on a link"
GUESTS = """\
neutron: false
hosts: {host1: {}}
guests:
  r1: {interfaces: {eth1: {addresses: [10.9.0.1/24]}}}
  r2: {interfaces: {eth1: {addresses: [10.9.0.2/24]}}}
"""
DELAYS = (1, 10, 50, 200)
LOSSES = (0.1, 1, 10)
RATES = (1, 10, 100)
# What a link is made of, and nothing else.
BARE = """\
ip netns add a
ip netns add b
ip link add name va netns a type veth peer name vb netns b
ip -n a address add 10.0.0.1/24 dev va
ip -n b address add 10.0.0.2/24 dev vb
ip -n a link set va up
ip -n b link set vb up
ip netns exec b iperf3 -s -1 >/dev/null &
until ip netns exec b ss -ltnH | grep -q ':5201 '; do sleep 0.05; done
ip netns exec a iperf3 -c 10.0.0.2 -J -O 1 -t SECONDS
"""
# Mininet's own way to a slow link.
PEER = """\
/usr/bin/python3 - <<'END'
import json, time
from mininet.net import Mininet
from mininet.link import TCLink
net = Mininet(link=TCLink, controller=None)
a, b = net.addHost('a', ip='10.0.0.1/24'), net.addHost('b', ip='10.0.0.2/24')
net.addLink(a, b, bw=10)
net.start()
b.cmd('iperf3 -s -D -1')
time.sleep(1)
said = json.loads(a.cmd('iperf3 -c 10.0.0.2 -t 6 -O 1 -J'))
print(said['end']['sum_received']['bits_per_second'] * 1514 / 1448)
net.stop()
END
"""


def measure(quick: bool, found: list[Figure]) -> None:
    """Measure; what was measured before a failure stays."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "lab.yaml")
        file.write_text(f"{GUESTS}links: {{core: 'r1:eth1 -- r2:eth1'}}\n")
        try:
            fakevm("lab", "up", str(file), "--name", LAB)
            for figure in _impairments(file, quick):
                found.append(figure)
            for figure in _shapes(file, quick):
                found.append(figure)
        finally:
            if LAB in registry.names():
                fakevm("lab", "down", LAB)
    found.append(_peer())


def _impairments(file: Path, quick: bool) -> Iterator[Figure]:
    for milliseconds in DELAYS[:2] if quick else DELAYS:
        fakevm("impair", "set", "core", "--delay", f"{milliseconds}ms")
        seen = _seen(file, f"kind: delay, delay: {milliseconds} ms, count: 500")
        off = abs(float(re.findall(r"([\d.]+) ms, of", seen)[0]) - milliseconds)
        yield Figure(TOPIC, f"delay of {milliseconds} ms: off by", off, "ms", max(1, 0.02 * milliseconds), seen)
    fakevm("impair", "reset", "core")
    count = 2000 if quick else 20000
    for percent in LOSSES[1:2] if quick else LOSSES:
        fakevm("impair", "set", "core", "--loss", f"{percent}%")
        seen = _seen(file, f"kind: loss, loss: {percent} %, count: {count}, interval: 0.0005")
        lost, sent = map(int, re.findall(r"(\d+) of (\d+) lost", seen)[0])
        chance = percent / 100
        deviations = abs(lost - sent * chance) / (sent * chance * (1 - chance)) ** 0.5
        yield Figure(TOPIC, f"loss of {percent} %: off by standard deviations", deviations, "", 4, seen)
    fakevm("impair", "reset", "core")
    yield from _throughput(4 if quick else 10)
    yield _changes(10 if quick else 50)


def _throughput(seconds: int) -> Iterator[Figure]:
    for guest in ("r1", "r2"):
        fakevm("exec", guest, "--", "ethtool", "-K", "eth1", "tx", "on", "gso", "on", "tso", "on")
    yield from _beside_bare(seconds)
    fakevm("impair", "set", "core", "--delay", "1ms")
    yield Figure(TOPIC, "a delay line of 1 ms, in pieces of 64 kB", _tcp(seconds), "Gbit/s", 5.0, least=True)
    fakevm("impair", "set", "core", "--jitter", "0.01ms")
    yield Figure(TOPIC, "the same, frame by frame", _tcp(seconds), "Gbit/s")
    fakevm("impair", "reset", "core")
    fakevm("impair", "set", "core", "--loss", "0.01%")
    yield Figure(TOPIC, "a loss of 0.01 %, frame by frame", _tcp(seconds), "Gbit/s")
    fakevm("impair", "reset", "core")


def _beside_bare(seconds: int) -> Iterator[Figure]:
    """Measure in turn, as others may compute on the same machine."""
    pairs = [
        (_rate(mininet.alone(f"sh -ec {shlex.quote(BARE.replace('SECONDS', str(seconds)))}")), _tcp(seconds))
        for _ in range(3)
    ]
    bare, linked = ([pair[n] for pair in pairs] for n in (0, 1))
    yield Figure(TOPIC, "a bare veth between two namespaces", middle(bare), "Gbit/s", note=spread(bare))
    yield Figure(TOPIC, "a link that is not impaired", middle(linked), "Gbit/s", note=spread(linked))
    share = middle([link / veth for veth, link in pairs])
    yield Figure(TOPIC, "a link that is not impaired, of a bare veth", share, "", 0.9, least=True)


def _tcp(seconds: int) -> float:
    words = ["iperf3", "--server", "--one-off", "--forceflush"]
    server = subprocess.Popen(
        [FAKEVM, "exec", "r2", "--", *words],
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout
    while "listening" not in server.stdout.readline():
        pass
    said = fakevm("exec", "r1", "--", "iperf3", "-c", "10.9.0.2", "-J", "-O", "1", "-t", str(seconds))
    server.communicate()
    return _rate(said)


def _rate(said: str) -> float:
    """Read Gbit/s from iperf3."""
    return float(json.loads(said)["end"]["sum_received"]["bits_per_second"]) / 1e9


def _changes(count: int) -> Figure:
    """Change it under pings; the one that is on its way when they end does not count."""
    pings = subprocess.Popen(
        [FAKEVM, "exec", "r1", "--", "sh", "-c", "ping -q -i 0.01 -W 5 10.9.0.2 & read end; kill -INT $!; wait"],
        env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    time.sleep(1)
    for number in range(count):
        words = (["set", "core", "--delay", f"{number % 7}ms", "--jitter", "0"], ["reset", "core"])[number % 3 == 2]
        fakevm("impair", *words)
    fakevm("impair", "reset", "core")
    told = pings.communicate("\n")[0]
    sent, answered = map(int, re.findall(r"(\d+) packets transmitted, (\d+) received", told)[0])
    return Figure(TOPIC, f"lost in {count} changes", max(0, sent - answered - 1), "", 0, f"of {sent} pings")


def _shapes(file: Path, quick: bool) -> Iterator[Figure]:
    for rate in RATES[1:2] if quick else RATES:
        _shaped(file, f"{{tbf: {rate} Mbit/s}}")
        seen = _seen(file, f"kind: bandwidth, rate: {rate} Mbit/s, counts: frames, seconds: 8")
        yield Figure(TOPIC, f"tbf of {rate} Mbit/s: off by", _off(seen), "%", 3, seen)
    for rate in RATES[:1] if quick else RATES[:2]:
        classes = "[{share: 50, dport: 80}, {share: 30, dport: 25}, {share: 20}]"
        _shaped(file, f"{{htb: {{rate: {rate} Mbit/s, classes: {classes}}}}}")
        wanted = ", ".join(f"{port}: {rate * share * 10} kbit/s" for port, share in ((80, 50), (25, 30), (5000, 20)))
        measured = f"kind: bandwidth, counts: frames, seconds: 15, classes: {{{wanted}}}"
        seen = _seen(file, f"{measured}, protocol: udp")
        yield Figure(TOPIC, f"htb of {rate} Mbit/s, 50/30/20: the worst is off by", _off(seen), "%", 3, seen)
        seen = _seen(file, measured)
        yield Figure(TOPIC, "  the same, by TCP, which backs off", _off(seen), "%", note=seen)


def _off(seen: str) -> float:
    return max(abs(float(off)) for off in re.findall(r"([+-][\d.]+) %", seen))


def _shaped(file: Path, shape: str) -> None:
    file.write_text(f"{GUESTS}links: {{core: {{ends: [r1:eth1, r2:eth1], shape: {shape}}}}}\n")
    fakevm("lab", "apply", str(file))


def _seen(file: Path, words: str) -> str:
    """Give what a check saw, met or not."""
    asked = file.with_name("asked.yaml")
    asked.write_text(f"{file.read_text()}checks: {{it: {{from: r1, to: r2, {words}}}}}\n")
    done = subprocess.run(
        [FAKEVM, "check", str(asked), "-f", "json"],
        env=environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return str(json.loads(done.stdout)[0]["seen"])


def _peer() -> Figure:
    name = "Mininet's TCLink of 10 Mbit/s: off by"
    try:
        said = mininet.alone(PEER, timeout=120)
        rate = float(said.strip().splitlines()[-1]) / 1e6
    except (SystemExit, ValueError, IndexError, subprocess.TimeoutExpired) as problem:
        return Figure(TOPIC, name, 0.0, "%", note=f"not measured: {' '.join(str(problem).split())[-100:]}")
    return Figure(TOPIC, name, abs(rate / 10 - 1) * 100, "%", note=f"{rate:.2f} Mbit/s")
