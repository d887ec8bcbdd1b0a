"""(f) The labs of all examples, one after the other: time and memory of each, whether its checks hold, what is left."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.lab import machine

from fakevm.lab import registry

from . import lab
from .command import FAKEVM, LAB, environment, fakevm, timed
from .figure import Figure

EXAMPLES = Path(__file__).parents[1] / "examples"
# What a lab must leave as it was; files of other programs come and go.
KINDS = ("links", "network namespaces", "mounts", "processes")
# Checks that kill hosts take minutes.
PATIENCE = 1800.0


def names() -> list[str]:
    """Name the examples."""
    return sorted(path.parent.name for path in EXAMPLES.glob("*/lab.yaml"))


def figures(quick: bool) -> Iterator[Figure]:
    """Measure each once; ``quick`` leaves out the checks. Each figure is given when it is there."""
    lab.have_template()
    for name in names():
        yield from _example(name, quick)


def _example(name: str, quick: bool) -> Iterator[Figure]:
    topic = f"Example {name}"
    before = machine.look(LAB)
    with _ended():
        up = timed("lab", "up", "--name", LAB, str(EXAMPLES / name / "lab.yaml"))
        yield Figure(topic, "lab up, with all that its file says", up, "s")
        yield lab.memory(topic)[0]
        if not quick:
            yield from _checks(topic)
        yield Figure(topic, "lab down", timed("lab", "down", LAB), "s", 3)
    changes = machine.left_behind(before, LAB)
    left = [f"{kind}: {line}" for kind in KINDS for line in changes.get(kind, [])]
    yield Figure(topic, "left behind", len(left), "", 0, "; ".join(left))


@contextmanager
def _ended() -> Iterator[None]:
    """See to it that the lab is gone, whatever happens."""
    try:
        yield
    finally:
        if LAB in registry.names():
            fakevm("lab", "down", LAB)


def _checks(topic: str) -> Iterator[Figure]:
    begin = time.perf_counter()
    done = subprocess.run(
        [FAKEVM, "check", "-f", "json"], env=environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=PATIENCE, check=False,
    )  # fmt: skip
    seconds = time.perf_counter() - begin
    if not done.stdout.startswith("["):
        raise SystemExit(f"bench: fakevm check ended with {done.returncode}:\n{done.stderr}")
    results = json.loads(done.stdout)
    unmet = [f"{result['name']}: {result['seen']}" for result in results if result["status"] != "met"]
    yield Figure(topic, "its checks", seconds, "s", note=f"{len(results)} checks")
    yield Figure(topic, "  not met", len(unmet), "", 0, "; ".join(unmet))
    for result in results:
        if result["kind"] == "outage":
            said = re.match(r"no answer for ([\d.]+) s", result["seen"])
            yield Figure(topic, f"  {result['name']}", float(said[1]) if said else -1.0, "s", note=result["seen"])
