"""ssh into guests: a login, over a connection that is there, by way of another guest; commands in many guests."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from fakevm.lab import registry

from .command import LAB, fakevm, run, timed
from .figure import Figure, middle, spread

TOPIC = "ssh into guests"
GUESTS = 120
# Containers: the shell of a guest that has the machine's files does what root's does on the machine.
FILE = """\
neutron: false
guest_kind: container
guests:
  near: {interfaces: {eth0: {addresses: [10.9.0.1/24]}}}
  far: {interfaces: {eth0: {addresses: [10.9.0.2/24]}}, ssh: near}
links: {between: near:eth0 -- far:eth0}
"""


def measure(quick: bool, found: list[Figure]) -> None:
    """Measure; what was measured before a failure stays."""
    rounds = 3 if quick else 15
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "lab.yaml")
        try:
            file.write_text(FILE)
            fakevm("lab", "up", str(file), "--name", LAB)
            found += _logins(Path(folder, "config"), rounds)
            fakevm("lab", "down", LAB)
            guests = "".join(f"  g{number}: {{kind: namespace}}\n" for number in range(GUESTS))
            file.write_text(f"neutron: false\nguests:\n{guests}")
            fakevm("lab", "up", str(file), "--name", LAB)
            found += _many(rounds)
        finally:
            if LAB in registry.names():
                fakevm("lab", "down", LAB)


def _logins(config: Path, rounds: int) -> Iterator[Figure]:
    config.write_text(fakevm("ssh-config"))
    stock = ["ssh", "-F", str(config)]
    alone, shared = [*stock, "-S", "none", "near", "true"], [*stock, "near", "true"]
    # The first makes keys, and the connection that is shared.
    run(alone)
    run(shared)
    run([*stock, "-S", "none", "far", "true"])
    yield _figure("stock ssh, a login", 0.35, rounds, lambda: _timed(alone))
    yield _figure("stock ssh, over a connection that is there", 0.12, rounds, lambda: _timed(shared))
    yield _figure("fakevm ssh, a login", 0.35, rounds, lambda: timed("ssh", "-o", "ControlPath=none", "near", "true"))
    yield _figure("fakevm ssh, over a connection that is there", None, rounds, lambda: timed("ssh", "near", "true"))
    yield _figure(
        "stock ssh by way of another guest", None, rounds, lambda: _timed([*stock, "-S", "none", "far", "true"])
    )


def _many(rounds: int) -> Iterator[Figure]:
    yield _figure(f"exec --all in {GUESTS} guests", None, min(rounds, 5), lambda: timed("exec", "--all", "--", "true"))


def _figure(name: str, goal: float | None, rounds: int, once: Callable[[], float]) -> Figure:
    taken = [once() for _ in range(rounds)]
    return Figure(TOPIC, name, middle(taken), "s", goal, spread(taken))


def _timed(argv: list[str]) -> float:
    begin = time.perf_counter()
    run(argv)
    return time.perf_counter() - begin
