"""A leaf-spine of routers, without Neutron: up, everybody knows everybody, their memory, a spine that dies."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from fakevm.lab import registry

from .command import FAKEVM, LAB, environment, fakevm, fakevm_json
from .figure import Figure, middle, spread

TOPIC = "Leaf-spine, 4 by 16: 20 routers, 80 links, OSPF unnumbered"
FILE = """\
neutron: false
hosts: {host1: {}}
generate:
  leaf_spine: {spines: 4, leaves: 16, leaf_ring: true}
  guest: {kind: namespace, routing: {PROGRAM: {ospf: {area: 0}}}}
"""
ROUTERS = 20
# The fewest routes that a guest has to the loopbacks of others.
_FEWEST = """\
for one in /run/netns/fakevm-*; do
    ip -n "${one##*/}" route show | grep -c '^10[.]255[.].*proto' || true
done | sort -n | head -1
"""
_PSS = "for pid; do grep ^Pss: /proc/$pid/smaps_rollup; done"
# Seconds: all routes everywhere, and MB of memory of a router, at most.
GOALS = {"frr": (15.0, 12.5), "bird": (10.0, 2.5)}
_PATIENCE = 180.0


def measure(quick: bool, found: list[Figure]) -> None:
    """Measure; what was measured before a failure stays."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "lab.yaml")
        for program in GOALS:
            file.write_text(FILE.replace("PROGRAM", program))
            found += _one(program, file, 1 if quick else 3)


def _one(program: str, file: Path, rounds: int) -> Iterator[Figure]:
    up: list[float] = []
    known: list[float] = []
    memory: list[float] = []
    lost = 0.0
    for number in range(rounds):
        try:
            begin = time.perf_counter()
            fakevm("lab", "up", str(file), "--name", LAB)
            up.append(time.perf_counter() - begin)
            _wait_routes()
            known.append(time.perf_counter() - begin)
            memory.append(_memory())
            if number == rounds - 1:
                lost = _spine_dies()
        finally:
            if LAB in registry.names():
                fakevm("lab", "down", LAB)
    seconds, megabytes = GOALS[program]
    yield Figure(TOPIC, f"{program}: lab up", middle(up), "s", 3.0, spread(up))
    all_known = f"{program}: all {ROUTERS - 1} routes everywhere, from the begin of lab up"
    yield Figure(TOPIC, all_known, middle(known), "s", seconds, spread(known))
    yield Figure(TOPIC, f"{program}: memory of a router (PSS)", middle(memory), "MB", megabytes, spread(memory))
    yield Figure(TOPIC, f"{program}: lost of 800 pings, one each 10 ms, as a spine is stopped", lost, "packets")


def _wait_routes() -> None:
    begin = time.perf_counter()
    while (fewest := int(fakevm("lab", "exec", "host1", "--", "sh", "-c", _FEWEST).strip())) < ROUTERS - 1:
        if time.perf_counter() - begin > _PATIENCE:
            raise SystemExit(f"bench: after {_PATIENCE:g} s a router knows {fewest} of {ROUTERS - 1}")
        time.sleep(0.1)


def _memory() -> float:
    """Add up what the daemons of all routers have, by router (MB)."""
    guests = fakevm_json("guest", "list")
    shown = [fakevm_json("guest", "show", guest["name"]) for guest in guests]
    pids = [str(daemon["pid"]) for guest in shown for daemon in guest["daemons"]]
    said = fakevm("lab", "exec", "host1", "--", "sh", "-c", _PSS, "sh", *pids)
    return sum(int(line.split()[1]) for line in said.splitlines()) / 1024 / ROUTERS


def _spine_dies() -> float:
    """Stop a spine under a ping from leaf to leaf; gives how many were lost."""
    target = json.loads(fakevm("exec", "leaf8", "--", "ip", "-j", "-4", "address", "show", "lo"))
    address = next(one["local"] for one in target[0]["addr_info"] if one["local"].startswith("10.255."))
    ping = subprocess.Popen(
        [FAKEVM, "exec", "leaf1", "--", "ping", "-q", "-i", "0.01", "-c", "800", address],
        env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    time.sleep(1.0)
    fakevm("guest", "stop", "spine1")
    said, _ = ping.communicate(timeout=_PATIENCE)
    counted = re.search(r"(\d+) packets transmitted, (\d+) received", said)
    if not counted:
        raise SystemExit(f"bench: ping said: {said}")
    return float(int(counted[1]) - int(counted[2]))
