"""(e) Every Neutron release that FakeVM ships: a lab of it; old agents under a new server; an upgrade under traffic.

Installs what is not installed yet (a gigabyte and a half for all), so it is measured only when it is asked for.
"""

from __future__ import annotations

from fakevm import release

from . import upgrade
from .command import timed
from .figure import Figure
from .upgrade import NEW, OLD, Pings


def _install(version: str) -> list[Figure]:
    topic = _topic(version)
    found = [] if release.find(version) else [Figure(topic, "installing it", timed("release", "install", version), "s")]
    # The first lab of a release also makes its database.
    with upgrade.running(version, version) as up:
        found.append(Figure(topic, "the first lab up", up, "s"))
    return [*found, Figure(topic, "on the disk, with its database", release.look(version).size / 1e6, "MB")]


def _topic(version: str) -> str:
    return f"Neutron {version} ({release.series(version)})"


def _try(topic: str, server: str, second: str) -> list[Figure]:
    with upgrade.running(server, second) as up:
        vif, address, seconds = upgrade.guests("bench")
        found = [Figure(topic, "lab up", up, "s"), Figure(topic, "create-port", seconds, "s")]
        return [*found, upgrade.lost(topic, "pings lost between the hosts", Pings(vif, address), 0)]


def measure(found: list[Figure]) -> None:
    """Measure all, into ``found``."""
    for version in release.shipped():
        found += [*_install(version), *_try(_topic(version), version, version)]
    found += _try(f"Server {NEW}, one host's agents {OLD}", NEW, OLD)
    upgrade.measure_all(found)
