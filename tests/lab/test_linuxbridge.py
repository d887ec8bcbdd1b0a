"""A lab with Linux bridges, on the last release of Neutron that has them: what guests can do there."""

from __future__ import annotations

import json
import sys
import time

import pytest

from . import machine
from .conftest import Lab, Labs

pytestmark = pytest.mark.lab

RELEASE = "25.2.3"
FILE = """
backend: linuxbridge
physical_networks: {external: {}, office: {}}
hosts:
  compute1: {}
  compute2: {}
  network1: {roles: [dhcp, l3, metadata]}
networks:
  public:
    {type: flat, physical_network: external, external: true, subnets: {public4: {cidr: 203.0.113.0/24, dhcp: false}}}
  private: {subnets: {private4: {cidr: 10.0.0.0/24}}}
  flat: {type: flat, physical_network: office, subnets: {flat4: {cidr: 10.1.0.0/24}}}
routers:
  router1: {interfaces: [private4], external_gateway: public}
security_groups:
  open: {rules: [{protocol: icmp}, {protocol: tcp, ports: 5201}]}
  web: {rules: [{protocol: tcp, ports: 80}]}
qos_policies:
  slow: {bandwidth_limits: [{direction: ingress, rate: 10 Mbit/s, burst: 10000}]}
guests:
  one: {host: compute1, ports: [{network: private, fixed_ips: [10.0.0.11], security_groups: [open], qos_policy: slow}]}
  two: {host: compute2, ports: [{network: private, fixed_ips: [10.0.0.12], security_groups: [open]}]}
  web: {host: compute2, ports: [{network: private, security_groups: [web]}]}
  flat1: {host: compute1, ports: [{network: flat, security_groups: [open]}]}
  flat2: {host: compute2, ports: [{network: flat, security_groups: [open]}]}
floating_ips:
  door: {network: public, guest: one}
checks:
  across hosts by VXLAN: {kind: ping, from: one, to: two, within: 60s}
  no further than they must: {kind: path, from: one, to: two, hosts: [compute1, compute2], within: 60s}
  the MTU of VXLAN: {kind: mtu, from: two, to: one, size: 1450, within: 60s}
  across hosts on a flat network: {kind: ping, from: flat1, to: flat2, within: 60s}
  a group blocks: {kind: ping, from: one, to: web, expect: blocked}
  and permits: {kind: tcp, from: one, to: web, port: 80, within: 60s}
  an address of its own only:
    kind: command
    from: two
    run: ip addr add 10.0.0.13/24 dev $(ls /sys/class/net | grep ^qfv); ping -c 2 -W 2 -I 10.0.0.13 10.0.0.11
    expect: blocked
  in by the floating IP: {kind: ping, from: client, to: door, within: 60s}
  out by SNAT: {kind: ping, from: two, to: client, within: 60s}
  the guest knows itself:
    {kind: http, from: one, to: 169.254.169.254, path: /latest/meta-data/hostname, contains: one, within: 60s}
  a limit: {kind: bandwidth, from: two, to: one, rate: 10 Mbit/s, tolerance: 15 %, within: 60s}
  moved live: {kind: migrate, from: two, to: one, at_most: 60s}
"""


@pytest.fixture(scope="module")
def lb(own_labs: Labs, before: machine.Seen) -> Lab:
    """Share one lab among all tests here; the last one ends it. A new machine gets the release first."""
    installed = own_labs.fakevm("release", "install", RELEASE, timeout=1200)
    if sys.version_info >= (3, 13) and "runs with Python 3.11 or 3.12" in installed.stderr:
        pytest.skip(installed.stderr.strip())
    assert installed.returncode == 0, installed.stderr
    path = own_labs.folder / "lb.yaml"
    path.write_text(FILE)
    done = own_labs.fakevm("lab", "up", str(path), "--name", "lb", timeout=600)
    assert done.returncode == 0, done.stderr + done.stdout
    assert "Neutron 25.2.3 (2024.2): the newest that linuxbridge runs with" in done.stderr
    return Lab(own_labs, own_labs.record("lb"))


def bridges(lab: Lab, host: str) -> dict[str, list[str]]:
    """List the devices in each network's bridge on a host."""
    said = lab.fakevm("lab", "exec", host, "--", "ip", "-json", "link", "show").stdout
    found: dict[str, list[str]] = {}
    for device in json.loads(said):
        if device.get("master", "").startswith("brq"):
            found.setdefault(device["master"], []).append(device["ifname"])
    return found


def test_a_later_release_is_refused_and_nothing_is_started(own_labs: Labs) -> None:
    path = own_labs.folder / "later.yaml"
    path.write_text("backend: linuxbridge\nrelease: 2025.1\n")
    refused = own_labs.fakevm("lab", "up", str(path))
    assert refused.returncode == 2
    assert "linuxbridge does not run with Neutron 26.0.6 (2025.1)" in refused.stderr
    assert "25.2.3 (2024.2)" in refused.stderr
    assert list(own_labs.root.iterdir()) == []


def test_every_check_of_its_file_is_met(lb: Lab) -> None:
    done = lb.fakevm("check", "-f", "json", timeout=600)
    assert [(row["name"], row["seen"]) for row in json.loads(done.stdout) if row["status"] != "met"] == []
    assert done.returncode == 0, done.stderr


def test_hosts_have_bridges_of_the_same_names_and_no_open_vswitch(lb: Lab) -> None:
    one, other = bridges(lb, "compute1"), bridges(lb, "compute2")
    assert len(one) == 2
    assert one.keys() == other.keys()
    assert sorted(len(devices) for devices in one.values()) == [2, 2]
    joined = sorted(device for devices in one.values() for device in devices if not device.startswith("tap"))
    assert joined[0] == "qfooffice"
    assert joined[1].startswith("vxlan-")
    programs = lb.fakevm("lab", "status", "-f", "json").stdout
    assert "neutron-linuxbridge-agent" in programs
    assert "ovs" not in programs
    refused = lb.fakevm("host", "upgrade", "compute1", "2025.1")
    assert (refused.returncode, "does not run with Neutron 26.0.6" in refused.stderr) == (2, True)


def test_neutron_has_vlans_where_the_kernel_has(lb: Lab) -> None:
    wanted = ("--provider-network-type", "vlan", "--provider-physical-network", "office")
    made = lb.openstack("network", "create", "tagged", *wanted)
    found = json.loads(lb.fakevm("doctor", "-f", "json").stdout)
    if next(row["Status"] for row in found if row["Name"] == "8021q") == "ok":
        assert made.returncode == 0, made.stderr
        assert lb.openstack("network", "delete", "tagged").returncode == 0
    else:
        assert "network_type value 'vlan' not supported" in made.stderr


def test_a_guest_moves_cold_and_a_network_takes_its_bridges_along(lb: Lab) -> None:
    made = lb.fakevm("create-port", "flat", "cold", "--host", "compute1", "-f", "json")
    assert made.returncode == 0, made.stderr
    vif = json.loads(made.stdout)
    moved = lb.fakevm("migrate", "compute2", vif["vif_id"], "--host", "compute1", "--cold", "-f", "json")
    assert moved.returncode == 0, moved.stderr
    flat = next(bridge for bridge, devices in bridges(lb, "compute2").items() if "qfooffice" in devices)
    assert f"tap{vif['vif_id']}"[:14] in bridges(lb, "compute2")[flat]
    # Whom else it reaches: the DHCP server has the first address, but for the gateway's.
    assert lb.fakevm("exec", vif["vif_id"], "--", "ping", "-c3", "-i0.3", "-W1", "10.1.0.2").returncode == 0
    lb.remove_network("flat")
    deadline = time.monotonic() + 60
    while flat in bridges(lb, "compute2") and time.monotonic() < deadline:
        time.sleep(0.5)
    assert flat not in bridges(lb, "compute2")


def test_nothing_is_left(lb: Lab, before: machine.Seen) -> None:
    assert lb.labs.fakevm("lab", "down", "lb").returncode == 0
    assert not machine.left_behind(before, lb.labs.mark)
