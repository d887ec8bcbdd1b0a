"""(d) ``fakevm exec VIF true`` from the shell, in a lab on this machine."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from .command import FAKEVM, environment, fakevm, timed
from .figure import Figure, middle, spread

TOPIC = "fakevm exec VIF true"
HOST = "compute1"
NETWORK = "bench-exec"
GOAL = 150.0


def figures(quick: bool) -> list[Figure]:
    """Measure it, and what the same costs without Python: the goal is the user's time."""
    vif = _guest()
    timed("exec", vif, "true")
    taken = [1000 * timed("exec", vif, "true") for _ in range(5 if quick else 20)]
    figure = Figure(TOPIC, "median", middle(taken), "ms", GOAL, spread(taken, 0))
    found = [figure, Figure(TOPIC, "  of it Python's own start", _python(), "ms")]
    return found + (worst_imports(vif) if figure.verdict == "over" else [])


def _guest() -> str:
    client = Path(FAKEVM).with_name("openstack")
    endpoint = dict(
        line.removeprefix("export ").split("=", 1) for line in fakevm("lab", "env").split("\n") if "=" in line
    )
    for words in (
        ["network", "create", NETWORK],
        ["subnet", "create", NETWORK, "--network", NETWORK, "--subnet-range", "10.98.0.0/24"],
    ):
        subprocess.run([client, *words], env=environment() | endpoint, check=True, stdout=subprocess.DEVNULL)
    made = ("create-port", NETWORK, "bench", "--host", HOST, "--no-wait", "-f", "value", "-c", "vif_id")
    return fakevm(*made).strip()


def _python() -> float:
    taken = []
    for _ in range(5):
        begin = time.perf_counter()
        subprocess.run([sys.executable, "-c", ""], check=True)
        taken.append(1000 * (time.perf_counter() - begin))
    return middle(taken)


def worst_imports(vif: str, count: int = 8) -> list[Figure]:
    """List the imports that take longest by themselves."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", FAKEVM, "exec", vif, "true"],
        env=environment(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [Figure(TOPIC, f"    import {name}", ms, "ms") for name, ms in parse_importtime(done.stderr)[:count]]


def parse_importtime(text: str) -> list[tuple[str, float]]:
    """Read what ``-X importtime`` writes: (module, milliseconds of its own), the worst first."""
    lines = [
        line.removeprefix("import time:").split("|") for line in text.splitlines() if line.startswith("import time:")
    ]
    found = [(parts[2].strip(), int(parts[0]) / 1000) for parts in lines if parts[0].strip().isdigit()]
    return sorted(found, key=lambda item: -item[1])
