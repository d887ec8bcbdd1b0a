"""Neutron from a source tree: its environment, and the loop of who works on it: edit, restart, look."""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from fakevm import release
from fakevm.lab import registry

from .command import LAB, fakevm, run, timed
from .figure import Figure, middle, spread

TOPIC = "Neutron's source tree in a lab"
AGENT = "host1/neutron-openvswitch-agent"
# What the agent logs when it has started, and where it says so.
MODULE, LINE = "neutron/plugins/ml2/drivers/openvswitch/agent/ovs_neutron_agent.py", "Agent initialized successfully"
PATIENCE = 60.0


def measure(quick: bool, found: list[Figure]) -> None:
    """Measure; what was measured before a failure stays. The tree is Neutron's sdist, from PyPI."""
    rounds = 2 if quick else 7
    with tempfile.TemporaryDirectory() as folder:
        tree = _fetched(Path(folder))
        file = Path(folder, "lab.yaml")
        file.write_text(f"release: {{path: {tree}}}\nhosts: {{host1: {{roles: [compute]}}}}\n")
        derived = ""
        try:
            first = timed("lab", "up", str(file), "--name", LAB)
            derived = registry.load(registry.root() / LAB).release
            fakevm("lab", "down", LAB)
            again = timed("lab", "up", str(file), "--name", LAB)
            found.append(Figure(TOPIC, "its environment and database, once", first - again, "s", 30))
            found.append(Figure(TOPIC, "lab up, when it is there", again, "s"))
            found += _loops(tree / MODULE, rounds)
        finally:
            if LAB in registry.names():
                fakevm("lab", "down", LAB)
            if derived:
                fakevm("release", "remove", derived)


def _fetched(folder: Path) -> Path:
    python = release.path(release.DEFAULT) / "bin/python"
    wanted = ["--no-deps", "--no-binary", "neutron", f"neutron=={release.DEFAULT}"]
    run([str(python), "-m", "pip", "download", "--quiet", *wanted, "--dest", str(folder)])
    run(["tar", "xf", str(folder / f"neutron-{release.DEFAULT}.tar.gz"), "-C", str(folder)])
    return folder / f"neutron-{release.DEFAULT}"


def _loops(file: Path, rounds: int) -> Iterator[Figure]:
    for name, words in (("restart", ("restart", AGENT)), ("reload", ("reload",))):
        taken = [_edited(file, f"{LINE}, {name} {number}", words) for number in range(rounds)]
        yield Figure(TOPIC, f"edit, lab {name}, the new line is in the log", middle(taken), "s", 5, spread(taken))


def _edited(file: Path, line: str, words: tuple[str, ...]) -> float:
    """Change what the agent logs, and wait for it; gives how many seconds it took."""
    file.write_text(re.sub(rf'{LINE}[^"]*', line, file.read_text()))
    log = registry.load(registry.root() / LAB).host_directory("host1") / "log/neutron-openvswitch-agent.log"
    begin = time.perf_counter()
    fakevm("lab", *words)
    while line not in log.read_text(errors="replace"):
        if time.perf_counter() - begin > PATIENCE:
            raise SystemExit(f"bench: {AGENT} did not log {line!r} within {PATIENCE:.0f} s")
        time.sleep(0.02)
    return time.perf_counter() - begin
