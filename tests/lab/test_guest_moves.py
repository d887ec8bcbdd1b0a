"""A guest with two ports and a link moves, and its host dies: with ML2/OVN, with --slow also with ML2/OVS."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from fakevm.control.migration.cold import ColdMigration
from fakevm.control.migration.live import LiveMigration

from .conftest import Lab, Labs, awaited

pytestmark = pytest.mark.lab

FILE = """
backend: BACKEND
hosts:
  compute1: {roles: [compute]}
  compute2: {roles: ROLES}
networks:
  left: {subnets: {left4: {cidr: 10.41.0.0/24}}}
  right: {subnets: {right4: {cidr: 10.42.0.0/24}}}
guests:
  mover:
    host: compute1
    interfaces: {eth0: left, eth1: right, eth2: {addresses: [10.9.0.1/24]}}
  watcher:
    host: compute2
    interfaces: {eth0: left, eth1: right}
  far:
    host: compute2
    interfaces: {eth0: {addresses: [10.9.0.2/24]}}
  tagged:
    host: compute1
    interfaces: {eth0: {network: left, trunk: [{network: right, vlan: 7}]}}
links:
  core: "mover:eth2 -- far:eth0"
"""
# With ML2/OVN the network's own DHCP needs no agent.
ROLES = {"ovn": "[compute]", "ovs": "[compute, dhcp]"}
DEVICES = ("eth0", "eth1", "eth2")
# One step is enough for a start: unit tests have each.
FAILING = [
    pytest.param(kind, step, marks=() if step == "activate" else pytest.mark.slow)
    for kind, steps in (("--live", LiveMigration.step_names), ("--cold", ColdMigration.step_names))
    for step in steps
    if step not in ("check", "freeze")  # no processes go along
]


@pytest.fixture(scope="module", params=["ovn", pytest.param("ovs", marks=pytest.mark.slow)])
def linked(own_labs: Labs, request: pytest.FixtureRequest) -> Iterator[Lab]:
    """Share one lab of each backend among all tests here."""
    path = own_labs.folder / "linked.yaml"
    path.write_text(FILE.replace("BACKEND", request.param).replace("ROLES", ROLES[request.param]))
    yield own_labs.up(f"linked-{request.param}", str(path))
    assert own_labs.fakevm("lab", "down", f"linked-{request.param}").returncode == 0


def run_in(lab: Lab, guest: str, *command: str) -> str:
    done = lab.fakevm("exec", guest, "--", *command)
    assert done.returncode == 0, done.stderr
    return done.stdout


def devices(lab: Lab, guest: str) -> dict[str, dict[str, Any]]:
    found = json.loads(run_in(lab, guest, "ip", "-j", "addr"))
    return {device["ifname"]: device for device in found if device["ifname"] != "lo"}


def addresses(lab: Lab) -> dict[str, set[str]]:
    """Tell the IPv4 addresses of the guest that moves, by its devices."""
    return {
        name: {seen["local"] for seen in device["addr_info"] if seen["family"] == "inet"}
        for name, device in devices(lab, "mover").items()
    }


def bindings(lab: Lab) -> list[dict[str, str]]:
    """Ask Neutron for the bindings of both ports: the status of each, by host."""
    found = []
    for row in lab.told("list"):
        if row["name"].startswith("mover"):
            ours = lab.api("GET", f"/ports/{row['vif_id']}/bindings")["bindings"]
            found.append({binding["host"]: binding["status"] for binding in ours})
    return found


def is_whole(lab: Lab, host: str, has: dict[str, set[str]]) -> None:
    """Make sure that the guest is on one host with all that it has, and reached on all three."""
    assert bindings(lab) == [{host: "ACTIVE"}, {host: "ACTIVE"}]
    # After its host's death a guest gets its addresses in the background.
    assert awaited(lambda: addresses(lab), has, 90) == has
    for source, device in (("watcher", "eth0"), ("watcher", "eth1"), ("far", "eth2")):
        (address,) = has[device]
        ping = ("exec", source, "--", "ping", "-c1", "-W1", address)
        assert awaited(lambda ping=ping: lab.fakevm(*ping).returncode, 0, 90) == 0, device
    rows = [row for row in lab.told("list") if row["name"].startswith("mover")]
    assert [row["plugged_on"] for row in rows] == [[host], [host]]


def moved(lab: Lab, host: str, *options: str) -> dict[str, Any]:
    return dict(lab.told("migrate", host, "mover", *options))


def home(lab: Lab) -> None:
    """Bring it back to where it began, whatever an earlier test did to it."""
    if bindings(lab) != [{"compute1": "ACTIVE"}] * 2:
        lab.fakevm("migrate", "--recover", "mover")
        lab.fakevm("migrate", "compute1", "mover", "--probe-from", "none")


@pytest.mark.parametrize("kind", ["--live", pytest.param("--cold", marks=pytest.mark.slow)])
def test_a_guest_moves_with_its_ports_and_its_link_and_the_far_end_does_not_see_it(linked: Lab, kind: str) -> None:
    home(linked)
    has, far = addresses(linked), devices(linked, "far")["eth0"]
    assert set(has) == set(DEVICES)
    there = moved(linked, "compute2", kind)
    assert (there["host"], there["status"]) == ("compute2", "ACTIVE")
    assert [(one["name"], one["kind"]) for one in there["interfaces"]] == [
        ("eth0", "port"), ("eth1", "port"), ("eth2", "link"),
    ]  # fmt: skip
    assert [one["outage"]["observer"] for one in there["interfaces"]][2] == "far"
    for one in there["interfaces"]:
        assert one["outage"]["sent"] > 20
        assert one["outage"]["duplicated"] == 0
        if kind == "--live":
            assert one["outage"]["longest_gap"] < 10
    is_whole(linked, "compute2", has)
    after = devices(linked, "far")["eth0"]
    assert (after["ifindex"], after["address"]) == (far["ifindex"], far["address"])
    assert "NO-CARRIER" not in after["flags"]
    before = devices(linked, "mover")
    for one in there["interfaces"][:2]:
        linked.told("plug", one["attached"], "--host", "compute2")
    assert {name: seen["ifindex"] for name, seen in devices(linked, "mover").items()} == {
        name: seen["ifindex"] for name, seen in before.items()
    }
    moved(linked, "compute1", kind)
    is_whole(linked, "compute1", has)


@pytest.mark.parametrize(("kind", "step"), FAILING)
def test_a_failure_at_any_step_leaves_it_whole_where_it_was(linked: Lab, kind: str, step: str) -> None:
    home(linked)
    has = addresses(linked)
    done = linked.fakevm("migrate", "compute2", "mover", kind, "--fail-at", step)
    assert done.returncode == 1, done.stdout
    assert f"step {step} was made to fail" in done.stderr
    assert "LEFT BEHIND" not in done.stderr
    is_whole(linked, "compute1", has)


def die(lab: Lab, host: str) -> None:
    for word in ("kill", "start"):
        done = lab.fakevm("host", word, host)
        assert done.returncode == 0, done.stderr


def test_all_that_it_has_comes_back_with_a_host_that_was_killed(linked: Lab) -> None:
    home(linked)
    has, far = addresses(linked), devices(linked, "far")["eth0"]
    assert set(has) == set(DEVICES)
    die(linked, "compute1")
    is_whole(linked, "compute1", has)
    after = devices(linked, "far")["eth0"]
    assert (after["ifindex"], after["address"]) == (far["ifindex"], far["address"])


def test_a_trunk_s_device_is_kept_over_a_move_and_the_death_of_a_host(linked: Lab) -> None:
    """Where this kernel makes none, that is told of it, wherever it is."""
    (able,) = [row["Status"] == "ok" for row in linked.told("doctor") if row["Name"] == "8021q"]

    def vlan() -> dict[str, Any]:
        (seen,) = [each for each in linked.told("guest", "show", "tagged")["interfaces"] if each["kind"] == "vlan"]
        return dict(seen)

    before = vlan()
    assert (before["name"], bool(before["addresses"])) == ("vlan7", able)
    assert ("no device vlan7, as this kernel makes none" in before["lacks"]) is not able
    linked.told("migrate", "compute2", "tagged")
    assert vlan() == before
    die(linked, "compute2")
    assert awaited(vlan, before, 90) == before
    linked.told("migrate", "compute1", "tagged", "--cold")
    assert vlan() == before
