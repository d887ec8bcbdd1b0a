"""Releases in a lab: of a host, of the server, changed while it runs.

The older release is the default one's environment under another name, so that nothing need be installed: what is tried
is FakeVM's part. ``bench/run --only releases`` does the same with real ones.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from fakevm import release
from fakevm.release import cache, catalogue

from .conftest import Lab, Labs
from .pings import pinging

OLD, NEW = "28.0.2", release.DEFAULT
LAB_FILE = f"release: {OLD}\nhosts:\n  compute1: {{roles: [compute, dhcp]}}\n  compute2: {{release: {NEW}}}\n"


@pytest.fixture
def old_lab(labs: Labs) -> Lab:
    """Make a lab of an old server and an old host; the second host is new."""
    real = release.path(NEW)
    own = labs.folder / "cache"
    for version in (OLD, NEW):
        place = cache.home(version, own)
        place.mkdir(parents=True)
        (place / "venv").symlink_to(real)
        (place / "complete").write_text(catalogue.fingerprint(version, sys.version_info[:2]))
        # The database of a release that is the same is the same.
        for template in (path for root in cache.search() for path in cache.home(NEW, root).glob("database-*")):
            if not (place / template.name).exists():
                (place / template.name).symlink_to(template)
    labs.environment["FAKEVM_CACHE"] = str(own)
    file = labs.folder / "lab.yaml"
    file.write_text(LAB_FILE)
    return labs.up("old", str(file))


def running(lab: Lab, host: str) -> str:
    """Tell which release runs a host's switch agent."""
    script = lab.record.host_directory(host) / "service/neutron-openvswitch-agent/run"
    return str(re.search(r"releases/([0-9.]+)/venv/bin/neutron-openvswitch-agent", script.read_text())[1])  # type: ignore[index]


def guest(lab: Lab, name: str, host: str) -> dict[str, object]:
    made = lab.fakevm("create-port", "net", name, "--host", host, "-f", "json")
    assert made.returncode == 0, made.stderr
    found: dict[str, object] = json.loads(made.stdout)
    assert found["status"] == "ACTIVE"
    return found


def test_a_lab_is_upgraded_server_first_then_host_by_host_while_guests_talk(old_lab: Lab, tmp_path: Path) -> None:
    lab = old_lab
    assert [running(lab, host) for host in ("compute1", "compute2")] == [OLD, NEW]
    lab.network("net", "10.7.0.0/24")
    first, second = guest(lab, "first", "compute1"), guest(lab, "second", "compute2")
    address = str(second["addresses"][0]).partition("/")[0]  # type: ignore[index]

    refused = lab.fakevm("release", "remove", OLD)
    assert refused.returncode == 1
    assert "in use" in refused.stderr

    with pinging(lab, str(first["vif_id"]), address, 0.2, tmp_path) as pings:
        for command in (("lab", "upgrade", "2026.2"), ("host", "upgrade", "compute1", NEW)):
            done = lab.fakevm(*command, "-f", "json")
            assert done.returncode == 0, done.stderr
            assert json.loads(done.stdout)["release"] == NEW
    # A busy machine may lose some: 3 s on end would be more than that.
    assert pings.longest_gap() <= 15, f"pings were lost: {pings.lost()}"

    record = lab.labs.record("old")
    assert (record.release, {host.release for host in record.hosts}) == (NEW, {NEW})
    assert running(lab, "compute1") == NEW
    status = json.loads(lab.fakevm("lab", "status", "-f", "json").stdout)
    agents = {(row["host"], row["program"]): row["agent"] for row in status if row["program"].startswith("neutron-")}
    assert {agents["compute1", binary] for binary in ("neutron-openvswitch-agent", "neutron-dhcp-agent")} == {"alive"}
    guest(lab, "third", "compute1")
    removed = lab.fakevm("release", "remove", OLD)
    assert removed.returncode == 0, removed.stderr


def test_what_cannot_be_upgraded_is_refused(lab: Lab) -> None:
    for words, said in (
        (("lab", "upgrade", "28.0.2"), "cannot go back"),
        (("lab", "upgrade", "7.0.0"), "does not ship Neutron 7.0.0"),
        (("host", "upgrade", "nowhere", "2026.2"), "no host 'nowhere'"),
    ):
        refused = lab.fakevm(*words)
        assert refused.returncode in (1, 2)
        assert said in refused.stderr
    assert lab.fakevm("lab", "upgrade", NEW, "-f", "value", "-c", "release").stdout.strip() == NEW


def test_a_lab_file_with_an_unknown_release_makes_nothing(labs: Labs, tmp_path: Path) -> None:
    file = tmp_path / "lab.yaml"
    file.write_text("hosts: {compute1: {release: 2019.1}}\n")
    refused = labs.fakevm("lab", "up", str(file))
    assert refused.returncode in (1, 2)
    assert "hosts.compute1.release: there is no release '2019.1'" in refused.stderr
    assert "28.0.2" in refused.stderr
    assert not list(labs.root.iterdir())
