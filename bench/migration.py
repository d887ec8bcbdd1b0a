"""(e) A guest that moves to and fro, live and cold in turns: the outage that another guest saw, and each step."""

from __future__ import annotations

import uuid
from typing import Any

import openstack

from fakevm.control import credentials
from fakevm.lab import registry

from .command import LAB, fakevm, fakevm_json
from .figure import Figure, middle, spread

TOPIC = "migrate: the outage that another guest saw"
HOSTS = ("compute1", "compute2")
OBSERVED_FROM = "network1"
NETWORK, RANGE = "bench-moves", "10.97.0.0/24"
# The outage of a live migration is to be at most this part (percent) of that of a cold one.
GOAL = 10.0


def figures(quick: bool) -> list[Figure]:
    """Measure moves of both kinds in turns, ten of each (three when quick)."""
    record = registry.load(registry.root() / LAB)
    cloud = openstack.connect(**credentials.settings(record))
    network = cloud.network.create_network(name=NETWORK)
    cloud.network.create_subnet(network_id=network.id, ip_version=4, cidr=RANGE)
    observer, vif = _guest(OBSERVED_FROM), _guest(HOSTS[0])
    moves: dict[str, list[dict[str, Any]]] = {"live": [], "cold": []}
    for turn in range(3 if quick else 10):
        # There live and back cold, then there cold and back live: each kind goes both ways.
        for kind, way in zip(("live", "cold") if turn % 2 else ("cold", "live"), (HOSTS, HOSTS[::-1]), strict=True):
            words = ("migrate", way[1], vif, "--host", way[0], f"--{kind}", "--probe-from", observer)
            moves[kind].append(fakevm_json(*words))
    return _summary(moves)


def _guest(host: str) -> str:
    # With a UUID for its instance, as Nova's have: only of such does Neutron send events.
    words = ("create-port", NETWORK, str(uuid.uuid4()), "--host", host, "-f", "value", "-c", "vif_id")
    return fakevm(*words).strip()


def _summary(moves: dict[str, list[dict[str, Any]]]) -> list[Figure]:
    gaps = {kind: [1000 * move["outage"]["longest_gap"] for move in many] for kind, many in moves.items()}
    lost = {kind: [float(move["outage"]["lost"]) for move in many] for kind, many in moves.items()}
    ratio = 100 * middle(gaps["live"]) / middle(gaps["cold"])
    found = [Figure(TOPIC, "live, of the cold one's outage", ratio, "%", GOAL)]
    for kind, many in moves.items():
        found += [
            Figure(TOPIC, f"  {kind}: longest gap, median", middle(gaps[kind]), "ms", note=spread(gaps[kind], 0)),
            Figure(TOPIC, f"  {kind}: probes lost, 10 ms apart", middle(lost[kind]), "", note=spread(lost[kind], 0)),
        ]
        for step in many[0]["seconds"]:
            found.append(Figure(TOPIC, f"    {kind}: {step}", middle([move["seconds"][step] for move in many]), "s"))
    return found
