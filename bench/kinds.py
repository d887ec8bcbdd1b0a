"""(b) ``create-port`` of containers beside ``create-port`` of namespaces, in turns."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from fakevm.model.kind import CONTAINER_KIND, GUEST_KIND_VARIABLE, NAMESPACE_KIND

from .command import fakevm_json
from .figure import Figure, middle, spread
from .ports import HOST, NETWORK, POLL, Ground

TOPIC = "create-port of a container beside a namespace"
KINDS = (NAMESPACE_KIND, CONTAINER_KIND)
# How much longer (percent) a container may take, if it is to be what guests are by default.
GOAL = 5


def figures(quick: bool) -> list[Figure]:
    """Measure a single port and twenty at once."""
    rounds, count = ((2, 1), 5) if quick else ((15, 4), 20)
    with closing(Ground()) as ground:
        return [*_measured(ground, 1, rounds[0]), *_measured(ground, count, rounds[1])]


def _measured(ground: Ground, count: int, rounds: int) -> Iterator[Figure]:
    # The first container of a host pays for its files.
    _create(ground, CONTAINER_KIND, 1)
    taken: dict[str, list[float]] = {kind: [] for kind in KINDS}
    waited: dict[str, list[float]] = {kind: [] for kind in KINDS}
    order = list(KINDS)
    for _ in range(rounds):
        for kind in order:
            # Neutron's agent looks for ports at times of its own.
            time.sleep(random.uniform(0, POLL))
            whole, active = _create(ground, kind, count)
            taken[kind].append(whole)
            waited[kind].append(whole - active)
        order.reverse()
    label = "one port" if count == 1 else f"{count} ports at once"
    name = f"{label}: what a container takes longer"
    yield Figure(TOPIC, name, _percent(taken, middle(taken[NAMESPACE_KIND])), "%", GOAL)
    # Without what is a matter of luck, and in percent of the same whole.
    yield Figure(
        TOPIC, "  the same without the wait for ACTIVE", _percent(waited, middle(taken[NAMESPACE_KIND])), "%", GOAL
    )
    for kind in KINDS:
        yield Figure(TOPIC, f"  {kind}", middle(taken[kind]), "s", note=spread(taken[kind]))
        yield Figure(TOPIC, "    without the wait for ACTIVE", middle(waited[kind]), "s", note=spread(waited[kind]))


def _percent(seconds: dict[str, list[float]], whole: float) -> float:
    return 100 * (middle(seconds[CONTAINER_KIND]) - middle(seconds[NAMESPACE_KIND])) / whole


def _create(ground: Ground, kind: str, count: int) -> tuple[float, float]:
    """Create guests and remove them; gives the seconds that it took, and those of them until all were ACTIVE."""
    with _asking_for(kind):
        begin = time.perf_counter()
        made: Any = fakevm_json("create-port", NETWORK, "bench", "--host", HOST, "--count", str(count))
        taken = time.perf_counter() - begin
    rows = made if isinstance(made, list) else [made]
    active = max(float(row.get("seconds", row)["active"]) for row in rows)
    ground.remove([row["vif_id"] for row in rows])
    return taken, active


@contextmanager
def _asking_for(kind: str) -> Iterator[None]:
    os.environ[GUEST_KIND_VARIABLE] = kind
    try:
        yield
    finally:
        del os.environ[GUEST_KIND_VARIABLE]
