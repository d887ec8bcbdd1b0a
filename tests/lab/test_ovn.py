"""A lab with ML2/OVN: what guests can do there, and that nothing is left of it."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from fakevm.control import credentials

from . import machine
from .conftest import Lab, Labs, awaited
from .pings import pinging

pytestmark = pytest.mark.lab

FILE = """
backend: ovn
hosts:
  compute1: {roles: [compute, gateway]}
  compute2: {roles: [compute, dhcp, metadata]}
"""
PYTHON = sys.executable
# What the lab's bridge of the physical network is given, to be the world outside: TEST-NET-3.
OUTSIDE = "203.0.113.1"


@pytest.fixture(scope="module")
def ovn(own_labs: Labs, before: machine.Seen) -> Lab:
    """Share one lab among all tests here; the last one ends it."""
    path = own_labs.folder / "ovn.yaml"
    path.write_text(FILE)
    done = own_labs.fakevm("lab", "up", str(path), "--name", "ovn")
    assert done.returncode == 0, done.stderr + done.stdout
    assert "compute2: the role dhcp does nothing with ovn" in done.stderr
    return Lab(own_labs, own_labs.record("ovn"))


@pytest.fixture(scope="module")
def pair(ovn: Lab) -> tuple[dict[str, Any], dict[str, Any]]:
    """Make two guests of one geneve network, on two hosts."""
    ovn.network("tunnelled", "10.78.0.0/24")
    return created(ovn, "tunnelled", "a", "compute1"), created(ovn, "tunnelled", "b", "compute2")


@pytest.fixture(scope="module")
def cloud(ovn: Lab) -> Any:
    """Ask Neutron without the stock client, which takes a second to start."""
    import openstack

    return openstack.connect(**credentials.settings(ovn.record))


def created(lab: Lab, network: str, instance: str, host: str, *options: str) -> dict[str, Any]:
    done = lab.fakevm("create-port", network, instance, "--host", host, *options, "-f", "json")
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def address(vif: dict[str, Any]) -> str:
    return str(vif["addresses"][0].partition("/")[0])


def reaches(lab: Lab, source: dict[str, Any], target: str) -> bool:
    """Tell whether one of three pings is answered: the first of a tunnel may wait for its neighbour."""
    return lab.fakevm("exec", source["vif_id"], "--", "ping", "-c3", "-i0.3", "-W1", target).returncode == 0


def comes_true(lab: Lab, source: dict[str, Any], target: str, wanted: bool, timeout: float = 90) -> bool:
    """Wait until a change of Neutron's is in force."""
    return awaited(lambda: reaches(lab, source, target), wanted, timeout) is wanted


def status(cloud: Any, vif: dict[str, Any]) -> str:
    """Tell what Neutron calls a port: ACTIVE or DOWN."""
    return str(cloud.network.get_port(vif["vif_id"]).status)


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
    assert comes_true(ovn, pair[0], address(pair[1]), True)
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
    assert comes_true(ovn, one, address(other), True)


def test_a_guest_moves_live_and_is_bound_once(
    ovn: Lab, pair: tuple[dict[str, Any], dict[str, Any]], cloud: Any
) -> None:
    one, other = pair
    words = ("migrate", "compute2", other["vif_id"], "--live", "--probe-from", one["vif_id"], "--interval", "0.02")
    done = ovn.fakevm(*words, "-f", "json")
    assert done.returncode == 0, done.stderr
    moved = json.loads(done.stdout)
    assert (moved["host"], moved["status"]) == ("compute2", "ACTIVE")
    assert moved["outage"] is not None, done.stderr
    assert moved["outage"]["lost"] < moved["outage"]["sent"]
    bindings = cloud.network.get(f"/ports/{other['vif_id']}/bindings").json()["bindings"]
    assert [(binding["host"], binding["status"]) for binding in bindings] == [("compute2", "ACTIVE")]
    assert comes_true(ovn, one, address(other), True)


def miss(ovn: Lab, cloud: Any, vif: dict[str, Any]) -> None:
    """Leave a port as finding 0002 has it: Neutron waits for OVN, which has nothing to say any more.

    IGNORE: a live migration may leave the block, and the port ACTIVE, when two of Neutron's workers hear of it
    during the activation. They may try for a while, and make it ACTIVE again: then it is done once more.
    """
    port_id = vif["vif_id"]
    missed = (
        f"UPDATE ports SET status = 'DOWN' WHERE id = '{port_id}';"
        f"INSERT IGNORE INTO provisioningblocks SELECT standard_attr_id, 'L2' FROM ports WHERE id = '{port_id}'"
    )
    socket = "--socket=/run/fakevm/database/mysql.sock"
    for _ in range(5):
        done = ovn.fakevm("lab", "exec", "lab", "--", "mariadb", "--no-defaults", socket, "neutron", "-e", missed)
        assert done.returncode == 0, done.stderr
        # Longer than `migrate --recover` waits before it helps.
        if awaited(lambda: status(cloud, vif), "ACTIVE", 4) == "DOWN":
            return
    pytest.fail("Neutron was made to call the port DOWN five times, and calls it ACTIVE again")


def test_a_port_that_neutron_missed_is_shown_to_it_again(
    ovn: Lab, pair: tuple[dict[str, Any], dict[str, Any]], cloud: Any
) -> None:
    one, other = pair
    miss(ovn, cloud, other)
    done = ovn.fakevm("migrate", "--recover", other["vif_id"], "-f", "json")
    assert done.returncode == 0, done.stderr
    assert awaited(lambda: status(cloud, other), "ACTIVE", 120) == "ACTIVE"
    assert "says once more that it is up" in done.stdout
    assert comes_true(ovn, one, address(other), True)


def test_that_costs_no_packet(
    ovn: Lab, pair: tuple[dict[str, Any], dict[str, Any]], cloud: Any, tmp_path: Path
) -> None:
    """What the agent does then, as finding 0002 writes it down: once, or again when Neutron missed that, too."""
    one, other = pair
    miss(ovn, cloud, other)
    asked = "$(ovs-vsctl get open . external_ids:ovn-remote | tr -d '\"')"
    again = f"ovn-sbctl --db={asked} set port_binding {other['vif_id']} up=false"
    with pinging(ovn, one["vif_id"], address(other), 0.02, tmp_path) as pings:
        for _ in range(5):
            done = ovn.fakevm("lab", "exec", "compute2", "--", "sh", "-c", again)
            assert done.returncode == 0, done.stderr
            if awaited(lambda: status(cloud, other), "ACTIVE", 20) == "ACTIVE":
                break
    assert status(cloud, other) == "ACTIVE", "Neutron was told five times"
    assert pings.lost() == []


def test_vlans_are_carried_by_open_vswitch(ovn: Lab) -> None:
    ovn.network("tagged", "10.79.0.0/24", "--provider-network-type", "vlan", "--provider-physical-network", "physnet1")
    one, other = created(ovn, "tagged", "va", "compute1"), created(ovn, "tagged", "vb", "compute2")
    assert comes_true(ovn, one, address(other), True)
    assert "mtu 1500" in ovn.fakevm("exec", one["vif_id"], "ip", "link").stdout


def test_a_router_leads_out_and_a_floating_ip_in(
    ovn: Lab, pair: tuple[dict[str, Any], dict[str, Any]], cloud: Any
) -> None:
    enter = ("lab", "exec", "lab", "--")
    assert ovn.fakevm(*enter, "ip", "addr", "add", f"{OUTSIDE}/24", "dev", "bfv-physnet1").returncode == 0
    ovn.fakevm(*enter, "ethtool", "-K", "bfv-physnet1", "tx", "off")
    flat = {"provider_network_type": "flat", "provider_physical_network": "physnet1", "is_router_external": True}
    outside = cloud.network.create_network(name="outside", **flat)
    cloud.network.create_subnet(network_id=outside.id, cidr="203.0.113.0/24", ip_version=4, is_dhcp_enabled=False)
    router = cloud.network.create_router(name="r", external_gateway_info={"network_id": outside.id})
    inside = cloud.network.find_subnet("tunnelled", ignore_missing=False)
    cloud.network.add_interface_to_router(router, subnet=inside.id)
    guest = created(ovn, "tunnelled", "out", "compute2")
    assert comes_true(ovn, guest, OUTSIDE, True)
    group = cloud.network.get_port(guest["vif_id"]).security_group_ids[0]
    cloud.network.create_security_group_rule(security_group_id=group, direction="ingress", protocol="icmp")
    floating = cloud.network.create_ip(floating_network_id=outside.id, port_id=guest["vif_id"])
    deadline = time.monotonic() + 120
    ping = (*enter, "ping", "-c2", "-i0.3", "-W1", floating.floating_ip_address)
    while (done := ovn.fakevm(*ping)).returncode and time.monotonic() < deadline:
        time.sleep(0.2)
    assert done.returncode == 0, done.stdout
    # Distributed: it answers on the guest's own host, not on the gateway.
    way = ovn.fakevm(*enter, "sh", "-c", "ip neigh; bridge fdb show br bfv-physnet1").stdout.splitlines()
    mac = next(line.split()[4] for line in way if line.startswith(floating.floating_ip_address))
    assert [line.split()[2] for line in way if line.startswith(mac)] == ["qfb2-physnet1"]


def test_a_guest_asks_who_it_is(ovn: Lab, pair: tuple[dict[str, Any], dict[str, Any]]) -> None:
    guest = created(ovn, "tunnelled", "asks", "compute2")
    read = "import urllib.request as u; print(u.urlopen('http://169.254.169.254/latest/meta-data/', timeout=5).read())"
    deadline = time.monotonic() + 120
    while (done := ovn.fakevm("exec", guest["vif_id"], "--", PYTHON, "-c", read)).returncode:
        assert time.monotonic() < deadline, done.stderr
    assert "instance-id" in done.stdout


@pytest.mark.parametrize("way", ["kill", pytest.param("stop", marks=pytest.mark.slow)])
def test_a_host_comes_back_with_its_guests(ovn: Lab, pair: tuple[dict[str, Any], dict[str, Any]], way: str) -> None:
    one, other = pair
    for word in (way, "start"):
        done = ovn.fakevm("host", word, "compute2")
        assert done.returncode == 0, done.stderr
    assert comes_true(ovn, one, address(other), True)
    assert comes_true(ovn, other, address(one), True)
    assert {row["status"] for row in json.loads(ovn.fakevm("list", "-f", "json").stdout)} == {"ACTIVE"}


def test_a_deleted_guest_is_gone_everywhere(ovn: Lab, pair: tuple[dict[str, Any], dict[str, Any]]) -> None:
    made = created(ovn, "tunnelled", "short", "compute2")
    assert made["vif_id"] in ovn.fakevm("lab", "exec", "lab", "--", "ovn-nbctl", "show").stdout
    assert ovn.fakevm("delete-port", made["vif_id"]).returncode == 0
    assert made["vif_id"] not in ovn.fakevm("lab", "exec", "lab", "--", "ovn-nbctl", "show").stdout
    ports = ovn.fakevm("lab", "exec", "compute2", "--", "ovs-vsctl", "list-ports", "br-int").stdout.split()
    assert f"tap{made['vif_id']}"[:14] not in ports


def test_nothing_is_left(ovn: Lab, before: machine.Seen) -> None:
    assert ovn.labs.fakevm("lab", "down", "ovn").returncode == 0
    assert not machine.left_behind(before, ovn.labs.mark)
