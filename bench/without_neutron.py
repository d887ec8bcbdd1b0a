"""A lab without Neutron: empty, and with many guests, beside Mininet."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from fakevm.lab import registry
from fakevm.model.kind import CONTAINER_KIND, NAMESPACE_KIND

from . import mininet
from .command import LAB, fakevm, timed
from .figure import Figure, middle, spread

TOPIC = "A lab without Neutron"
GUESTS = 120
PEER = "mn --topo single,100 --switch lxbr --controller none --test none"


def measure(quick: bool, found: list[Figure]) -> None:
    """Measure; what was measured before a failure stays."""
    rounds = 1 if quick else 5
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "lab.yaml")
        try:
            found += _empty(file, rounds)
            found += _many(file, rounds)
            found += _many(file, rounds, CONTAINER_KIND)
        finally:
            if LAB in registry.names():
                fakevm("lab", "down", LAB)
    found += _peer(rounds)


def _empty(file: Path, rounds: int) -> Iterator[Figure]:
    file.write_text("neutron: false\n")
    up, down = [], []
    for _ in range(rounds):
        up.append(timed("lab", "up", str(file), "--name", LAB))
        down.append(timed("lab", "down", LAB))
    yield Figure(TOPIC, "empty: lab up", middle(up), "s", 1.0, spread(up))
    yield Figure(TOPIC, "empty: lab down", middle(down), "s", 0.5, spread(down))


def _many(file: Path, rounds: int, kind: str = NAMESPACE_KIND) -> Iterator[Figure]:
    file.write_text("neutron: false\n")
    full = file.with_name("full.yaml")
    full.write_text(many(GUESTS, kind))
    there, gone = [], []
    fakevm("lab", "up", str(file), "--name", LAB)
    for _ in range(rounds):
        there.append(timed("lab", "apply", str(full)))
        gone.append(timed("lab", "apply", str(file)))
    fakevm("lab", "down", LAB)
    what = f"{GUESTS} {kind} guests"
    yield Figure(TOPIC, f"{what}, linked in pairs: lab apply", middle(there), "s", 5.0, spread(there))
    yield Figure(TOPIC, f"{what}: gone", middle(gone), "s", 2.0, spread(gone))


def many(count: int, kind: str = NAMESPACE_KIND) -> str:
    """Write a lab file with so many guests, each linked with another."""
    lines = ["neutron: false", f"guest_kind: {kind}", "guests:"]
    lines += [f"  g{n}: {{interfaces: {{eth1: {{addresses: [10.9.{n // 2}.{n % 2 + 1}/24]}}}}}}" for n in range(count)]
    lines += ["links:", *(f"  l{n}: g{n}:eth1 -- g{n + 1}:eth1" for n in range(0, count - 1, 2))]
    return "\n".join(lines) + "\n"


def _peer(rounds: int) -> Iterator[Figure]:
    name = "Mininet: single,100, made and removed"
    if missing := [program for program in ("mn", "brctl") if not shutil.which(program)]:
        yield Figure(TOPIC, name, 0.0, "s", note=f"not measured: no {' and no '.join(missing)} here")
        return
    taken = []
    for _ in range(rounds):
        begin = time.perf_counter()
        mininet.alone(PEER)
        taken.append(time.perf_counter() - begin)
    yield Figure(TOPIC, name, middle(taken), "s", note=spread(taken))
