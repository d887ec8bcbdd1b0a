"""(f) ML2/OVN: a lab of it, a port to ACTIVE, ten hosts' memory, and what a live migration loses."""

from __future__ import annotations

import tempfile
import uuid
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import openstack
import psutil

from fakevm.control import credentials
from fakevm.lab import registry

from . import lab
from .command import LAB, fakevm_json, timed
from .figure import Figure, middle, spread

TOPIC = "ML2/OVN"
HOSTS = 10
FILE = "backend: ovn\nhosts:\n" + "".join(f"  compute{n}: {{}}\n" for n in range(1, HOSTS + 1))
# Between a witness on a third host and the guest that moves.
INTERVAL = 0.02
STEPS = ("create", "bind", "plug", "active")


def measure(quick: bool, found: list[Figure]) -> None:
    """Measure the default lab and ports in it, then ten hosts and moves between two of them, into ``found``."""
    times = lab.Times()
    with lab.running(times, "--backend", "ovn"):
        found.append(Figure(TOPIC, "default lab up, to all agents alive", times.up, "s", 25))
        _network()
        found += _creations(5 if quick else 15)
    found.append(Figure(TOPIC, "default lab down", times.down, "s", 3))
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(FILE)
        file.flush()
        with lab.running(times, file.name):
            found.append(Figure(TOPIC, f"lab of {HOSTS} hosts up", times.up, "s"))
            found += _memory()
            _network()
            found += _moves(3 if quick else 10)


def _network() -> None:
    cloud = openstack.connect(**credentials.settings(registry.load(registry.root() / LAB)))
    network = cloud.network.create_network(name="bench")
    cloud.network.create_subnet(network_id=network.id, ip_version=4, cidr="10.96.0.0/24")


def _create(host: str) -> dict[str, Any]:
    return dict(fakevm_json("create-port", "bench", str(uuid.uuid4()), "--host", host))


def _creations(count: int) -> list[Figure]:
    """Create ports one after the other; the first on a host pays for what is made once."""
    _create("compute1")
    whole, parts = [], []
    for _ in range(count):
        whole.append(timed("create-port", "bench", str(uuid.uuid4()), "--host", "compute1"))
        parts.append(_create("compute1")["seconds"])
    active = [sum(part[step] for step in STEPS) for part in parts]
    return [
        Figure(TOPIC, "create-port to ACTIVE, median", middle(active), "s", 1, spread(active)),
        *(Figure(TOPIC, f"    {step}", middle([part[step] for part in parts]), "s") for step in STEPS),
        Figure(TOPIC, "  the whole command: its start, DHCP too", middle(whole), "s", note=spread(whole)),
    ]


def _memory() -> list[Figure]:
    """Add up what the hosts' processes hold (PSS), beyond the lab's services."""
    record = registry.load(registry.root() / LAB)
    inside = {_pid_in_lab(process.pid): process for process in psutil.Process(record.pid).children(recursive=True)}
    sizes: Counter[str] = Counter()
    for host in record.hosts:
        holder = inside[int((record.host_directory(host.name) / "pid").read_text())]
        sizes += lab.sizes((holder, *holder.children(recursive=True)))
    return [
        Figure(TOPIC, f"memory of {HOSTS} hosts, beyond the services (PSS)", sum(sizes.values()), "MB", 1024),
        *(Figure(TOPIC, f"    {name}, each", size / HOSTS, "MB") for name, size in sizes.most_common(4)),
    ]


def _pid_in_lab(pid: int) -> int:
    """Give a process's number in the lab's namespace, the first below ours (proc(5), NSpid)."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[2]) for line in status.splitlines() if line.startswith("NSpid:"))


def _moves(count: int) -> list[Figure]:
    """Move a guest to and fro while one on a third host probes it."""
    observer, vif = _create("compute3")["vif_id"], _create("compute1")["vif_id"]
    ways = [("compute1", "compute2"), ("compute2", "compute1")]
    moves = []
    for turn in range(count):
        source, destination = ways[turn % 2]
        words = ("migrate", destination, vif, "--host", source, "--live")
        moves.append(fakevm_json(*words, "--probe-from", observer, "--interval", str(INTERVAL)))
    return _lost(moves)


def _lost(moves: Sequence[dict[str, Any]]) -> list[Figure]:
    lost = [float(move["outage"]["lost"]) for move in moves]
    gaps = [1000 * move["outage"]["longest_gap"] for move in moves]
    nudged = sum("nudge" in move["seconds"] for move in moves)
    every = f"one every {1000 * INTERVAL:g} ms; {spread(lost, 0)}"
    return [
        Figure(TOPIC, "live migration: probes lost, median", middle(lost), "", 1, every),
        Figure(TOPIC, "  longest gap, median", middle(gaps), "ms", note=spread(gaps, 0)),
        Figure(TOPIC, "  moves of which Neutron did not hear (nudge)", nudged, ""),
        *(
            Figure(TOPIC, f"    {step}", middle([move["seconds"].get(step, 0.0) for move in moves]), "s")
            for step in moves[0]["seconds"]
        ),
    ]
