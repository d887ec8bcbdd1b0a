"""(e) Every Neutron release that FakeVM ships: a lab of it; old agents under a new server; an upgrade under traffic.

Installs what is not installed yet (a gigabyte and a half for all), so it is measured only when it is asked for.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fakevm import release
from fakevm.lab import registry

from .command import FAKEVM, LAB, environment, fakevm, fakevm_json, timed
from .figure import Figure

# The older of the two newest is upgraded to the newest.
OLD, NEW = release.shipped()[-2:]
HOSTS = ("compute1", "compute2")
# Between two pings while something is upgraded (seconds): the shortest that every user may ask for.
INTERVAL = 0.2
# How long to go on after a step, for what comes late (seconds).
AFTERMATH = 10.0


@contextmanager
def _lab(server: str, second: str) -> Iterator[float]:
    """Have a lab of two hosts, the second with agents of another release; gives the seconds that it took to come up."""
    text = f"release: {server}\nhosts:\n  compute1: {{roles: [compute, dhcp]}}\n  compute2: {{release: {second}}}\n"
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(text)
        file.flush()
        try:
            yield timed("lab", "up", "--name", LAB, file.name)
        finally:
            if LAB in registry.names():
                fakevm("lab", "down", LAB)


def _install(version: str) -> list[Figure]:
    topic = _topic(version)
    found = [] if release.find(version) else [Figure(topic, "installing it", timed("release", "install", version), "s")]
    # The first lab of a release also makes its database.
    with _lab(version, version) as up:
        found.append(Figure(topic, "the first lab up", up, "s"))
    return [*found, Figure(topic, "on the disk, with its database", release.look(version).size / 1e6, "MB")]


def _topic(version: str) -> str:
    return f"Neutron {version} ({release.series(version)})"


def _guests(network: str) -> tuple[str, str, float]:
    """Make a network and a guest on each host: the first's id, the second's address, the seconds for the second."""
    endpoint = registry.load(registry.root() / LAB).endpoint
    openstack = [str(Path(FAKEVM).with_name("openstack")), "--os-auth-type=none", f"--os-endpoint={endpoint}"]
    for words in (
        ["network", "create", network],
        ["subnet", "create", "--network", network, "--subnet-range", "10.99.0.0/24", network],
    ):
        subprocess.run([*openstack, *words], env=environment(), stdout=subprocess.DEVNULL, check=True)
    first = fakevm_json("create-port", network, "first", "--host", HOSTS[0])
    begin = time.perf_counter()
    second = fakevm_json("create-port", network, "second", "--host", HOSTS[1])
    return first["vif_id"], second["addresses"][0].partition("/")[0], time.perf_counter() - begin


class Pings:
    """A ping that runs from a guest to another until it is told to stop."""

    def __init__(self, vif: str, address: str) -> None:
        command = [FAKEVM, "exec", vif, "--host", HOSTS[0], "--", "ping", "-n", "-i", str(INTERVAL), address]
        self._output = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self._process = subprocess.Popen(command, env=environment(), stdout=self._output)

    def stop(self) -> tuple[int, int]:
        """End it: how many of how many were lost, by the numbers of the answers. Exits when there was none."""
        self._process.terminate()
        self._process.wait(30)
        self._output.seek(0)
        answered = {int(number) for number in re.findall(r"icmp_seq=(\d+) ttl", self._output.read())}
        self._output.close()
        if not answered:
            raise SystemExit("bench: no ping was answered")
        sent = max(answered)
        return sent - len(answered), sent


def _lost(topic: str, name: str, pings: Pings, goal: float | None = None) -> Figure:
    time.sleep(AFTERMATH)
    lost, sent = pings.stop()
    return Figure(topic, name, lost, "", goal, f"of {sent}, one every {INTERVAL:g} s")


def _try(topic: str, server: str, second: str) -> list[Figure]:
    with _lab(server, second) as up:
        vif, address, seconds = _guests("bench")
        found = [Figure(topic, "lab up", up, "s"), Figure(topic, "create-port", seconds, "s")]
        return [*found, _lost(topic, "pings lost between the hosts", Pings(vif, address), 0)]


def _upgrade() -> list[Figure]:
    topic = f"Upgrade of a running lab, {OLD} to {NEW}: the server, then host by host"
    found = []
    with _lab(OLD, OLD):
        vif, address, _ = _guests("bench")
        for name, command in (
            ("the server", ["lab", "upgrade", NEW]),
            *((host, ["host", "upgrade", host, NEW]) for host in HOSTS),
        ):
            pings = Pings(vif, address)
            found.append(Figure(topic, name, timed(*command), "s"))
            found.append(_lost(topic, f"  pings lost meanwhile, and {AFTERMATH:g} s on", pings))
        fakevm("create-port", "bench", "third", "--host", HOSTS[1])
    return found


def figures() -> list[Figure]:
    """Measure all."""
    found = []
    for version in release.shipped():
        found += [*_install(version), *_try(_topic(version), version, version)]
    return [*found, *_try(f"Server {NEW}, one host's agents {OLD}", NEW, OLD), *_upgrade()]
