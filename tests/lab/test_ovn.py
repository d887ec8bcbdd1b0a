"""A lab with ML2/OVN: what guests can do there, and that nothing is left of it."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from . import machine
from .conftest import Lab, Labs

pytestmark = pytest.mark.lab

FILE = """
backend: ovn
hosts:
  compute1: {}
  compute2: {roles: [compute, dhcp]}
"""


@pytest.fixture(scope="module")
def before(ovn_labs: Labs) -> machine.Seen:
    return machine.look(ovn_labs.mark)


@pytest.fixture(scope="module")
def ovn_labs() -> Iterator[Labs]:
    labs = Labs(Path(tempfile.mkdtemp(prefix="fv-")))
    labs.root.mkdir()
    yield labs
    labs.fakevm("lab", "down", "--all")
    shutil.rmtree(labs.folder)


@pytest.fixture(scope="module")
def ovn(ovn_labs: Labs, before: machine.Seen) -> Lab:
    """Share one lab among all tests here; the last one ends it."""
    path = ovn_labs.folder / "ovn.yaml"
    path.write_text(FILE)
    done = ovn_labs.fakevm("lab", "up", str(path), "--name", "ovn")
    assert done.returncode == 0, done.stderr + done.stdout
    assert "compute2: the role dhcp does nothing with ovn" in done.stderr
    return Lab(ovn_labs, ovn_labs.record("ovn"))


@pytest.fixture(scope="module")
def pair(ovn: Lab) -> tuple[dict[str, Any], dict[str, Any]]:
    """Make two guests of one geneve network, on two hosts."""
    ovn.network("tunnelled", "10.78.0.0/24")
    return created(ovn, "tunnelled", "a", "compute1"), created(ovn, "tunnelled", "b", "compute2")


def created(lab: Lab, network: str, instance: str, host: str, *options: str) -> dict[str, Any]:
    done = lab.fakevm("create-port", network, instance, "--host", host, *options, "-f", "json")
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def address(vif: dict[str, Any]) -> str:
    return str(vif["addresses"][0].partition("/")[0])


def reaches(lab: Lab, source: dict[str, Any], target: str) -> bool:
    """Tell whether one of three pings is answered: the first of a tunnel may wait for its neighbour."""
    return lab.fakevm("exec", source["vif_id"], "--", "ping", "-c3", "-i0.3", "-W1", target).returncode == 0


def comes_true(lab: Lab, source: dict[str, Any], target: str, wanted: bool, timeout: float = 10) -> bool:
    """Wait until a change of Neutron's is in force."""
    deadline = time.monotonic() + timeout
    while reaches(lab, source, target) is not wanted and time.monotonic() < deadline:
        time.sleep(0.2)
    return reaches(lab, source, target) is wanted


def test_neutron_sees_ovns_agents(ovn: Lab) -> None:
    seen = json.loads(ovn.fakevm("lab", "status", "-f", "json").stdout)
    assert [(row["host"], row["agent"]) for row in seen if row["program"] == "ovn-controller"] == [
        ("compute1", "alive"),
        ("compute2", "alive"),
    ]
    assert {"ovn-nb", "ovn-sb", "ovn-northd"} <= {row["program"] for row in seen if row["host"] == ""}
    assert not [row for row in seen if row["program"] == "neutron-dhcp-agent"]


def test_guests_get_addresses_of_ovn_and_reach_one_another(
    ovn: Lab, pair: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    assert [vif["status"] for vif in pair] == ["ACTIVE", "ACTIVE"]
    assert reaches(ovn, pair[0], address(pair[1]))
    assert "mtu 1442" in ovn.fakevm("exec", pair[0]["vif_id"], "ip", "link").stdout
    tunnels = ovn.fakevm("lab", "exec", "compute1", "--", "ovs-vsctl", "find", "interface", "type=geneve").stdout
    assert 'remote_ip="198.19.0.3"' in tunnels


def test_security_groups_block_and_permit(ovn: Lab, pair: tuple[dict[str, Any], dict[str, Any]]) -> None:
    one, other = pair
    closed = ovn.openstack("security", "group", "create", "closed")
    assert closed.returncode == 0, closed.stderr
    ovn.openstack("port", "set", "--no-security-group", "--security-group", "closed", other["vif_id"])
    assert comes_true(ovn, one, address(other), False)
    ovn.openstack("security", "group", "rule", "create", "--protocol", "icmp", "--ingress", "closed")
    assert comes_true(ovn, one, address(other), True)


def test_a_guest_moves_and_answers_again(ovn: Lab, pair: tuple[dict[str, Any], dict[str, Any]]) -> None:
    one, other = pair
    done = ovn.fakevm("migrate", "compute1", other["vif_id"], "--cold", "-f", "json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["host"] == "compute1"
    assert reaches(ovn, one, address(other))


def test_a_deleted_guest_is_gone_everywhere(ovn: Lab, pair: tuple[dict[str, Any], dict[str, Any]]) -> None:
    made = created(ovn, "tunnelled", "short", "compute2")
    assert made["vif_id"] in ovn.fakevm("lab", "exec", "lab", "--", "ovn-nbctl", "show").stdout
    assert ovn.fakevm("delete-port", made["vif_id"]).returncode == 0
    assert made["vif_id"] not in ovn.fakevm("lab", "exec", "lab", "--", "ovn-nbctl", "show").stdout
    ports = ovn.fakevm("lab", "exec", "compute2", "--", "ovs-vsctl", "list-ports", "br-int").stdout
    assert "tap" not in ports


def test_nothing_is_left(ovn: Lab, before: machine.Seen) -> None:
    assert ovn.labs.fakevm("lab", "down", "ovn").returncode == 0
    deadline = time.monotonic() + 3
    while (changes := machine.left(before, machine.look(ovn.labs.mark))) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not changes
