"""(g) A lab is upgraded from the release before the newest: the server, then host by host, while guests ping.

Installs what is not installed yet, so it is measured only when it is asked for.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fakevm import release
from fakevm.control import credentials
from fakevm.lab import registry

from .command import FAKEVM, LAB, environment, fakevm, fakevm_json, timed
from .figure import Figure

OLD, NEW = release.shipped()[-2:]
BACKENDS = ("ovs", "ovn")
HOSTS = ("compute1", "compute2")
# Between two pings while something is upgraded (seconds): the shortest that every user may ask for.
INTERVAL = 0.2
# How long to go on after a step, for what comes late (seconds).
AFTERMATH = 10.0


@contextmanager
def running(server: str, second: str, backend: str = "ovs") -> Iterator[float]:
    """Have a lab of two hosts, the second with agents of another release; gives the seconds that it took to come up."""
    text = (
        f"release: {server}\nbackend: {backend}\n"
        f"hosts:\n  compute1: {{roles: [compute, dhcp]}}\n  compute2: {{release: {second}}}\n"
    )
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(text)
        file.flush()
        try:
            yield timed("lab", "up", "--name", LAB, file.name)
        finally:
            if LAB in registry.names():
                fakevm("lab", "down", LAB)


def guests(network: str) -> tuple[str, str, float]:
    """Make a network and a guest on each host: the first's id, the second's address, the seconds for the second."""
    openstack = str(Path(FAKEVM).with_name("openstack"))
    cloud = environment() | credentials.variables(registry.load(registry.root() / LAB))
    for words in (
        ["network", "create", network],
        ["subnet", "create", "--network", network, "--subnet-range", "10.99.0.0/24", network],
    ):
        subprocess.run([openstack, *words], env=cloud, stdout=subprocess.DEVNULL, check=True)
    first = fakevm_json("create-port", network, "first", "--host", HOSTS[0])
    begin = time.perf_counter()
    second = fakevm_json("create-port", network, "second", "--host", HOSTS[1])
    return first["vif_id"], second["addresses"][0].partition("/")[0], time.perf_counter() - begin


class Pings:
    """A ping that runs from a guest to another until it is told to stop."""

    def __init__(self, vif: str, address: str) -> None:
        # -O: it tells those, too, that were not answered when the next one left.
        command = [FAKEVM, "exec", vif, "--host", HOSTS[0], "--", "ping", "-n", "-O", "-i", str(INTERVAL), address]
        self._output = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self._process = subprocess.Popen(command, env=environment(), stdout=self._output)

    def stop(self) -> tuple[int, int]:
        """End it: how many of how many were lost, whether answers came again or not. Exits when it said nothing."""
        self._process.terminate()
        self._process.wait(30)
        # Where ping may still write is not moved.
        file = self._output.fileno()
        said = os.pread(file, os.fstat(file).st_size, 0).decode()
        self._output.close()
        answered = {int(number) for number in re.findall(r"icmp_seq=(\d+) ttl", said)}
        missed = {int(number) for number in re.findall(r"no answer yet for icmp_seq=(\d+)", said)} - answered
        if not answered | missed:
            raise SystemExit(f"bench: ping said nothing of use:\n{said[-500:]}")
        return len(missed), len(answered | missed)


def lost(topic: str, name: str, pings: Pings, goal: float | None = None) -> Figure:
    """Go on for a while, then say how many pings were lost."""
    time.sleep(AFTERMATH)
    missing, sent = pings.stop()
    return Figure(topic, name, missing, "", goal, f"of {sent}, one every {INTERVAL:g} s")


def measure(backend: str, found: list[Figure]) -> None:
    """Upgrade a lab of a backend; at its end a new guest must come up and be reached."""
    topic = f"Upgrade of a running lab, {backend}, {OLD} to {NEW}: the server, then host by host"
    steps = [("the server", ["lab", "upgrade", NEW]), *((host, ["host", "upgrade", host, NEW]) for host in HOSTS)]
    with running(OLD, OLD, backend):
        vif, address, _ = guests("bench")
        for name, command in steps:
            pings = Pings(vif, address)
            found.append(Figure(topic, name, timed(*command), "s"))
            found.append(lost(topic, f"  pings lost meanwhile, and {AFTERMATH:g} s on", pings))
        third = fakevm_json("create-port", "bench", "third", "--host", HOSTS[1])["addresses"][0].partition("/")[0]
        fakevm("exec", vif, "--host", HOSTS[0], "--", "ping", "-c", "3", "-W", "2", third)


def measure_all(found: list[Figure]) -> None:
    """Measure each backend, into ``found``."""
    for backend in BACKENDS:
        measure(backend, found)
