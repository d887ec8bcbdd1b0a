"""Services that FakeVM knows: each does to packages what it is for."""

from __future__ import annotations

import json
import re
import subprocess
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

from fakevm import release

from .conftest import awaited, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .conftest import Lab, Labs

pytestmark = [pytest.mark.lab, pytest.mark.slow]

LAB = """\
hosts: {all: {roles: [compute, dhcp, l3]}}
services: [port_forwarding, dns, log, network_segment_range, taas]
physical_networks: {external: {}}
networks:
  public:
    {type: flat, physical_network: external, external: true, subnets: {public4: {cidr: 203.0.113.0/24, dhcp: false}}}
  private: {subnets: {private4: {cidr: 10.0.0.0/24}}}
routers: {router1: {interfaces: [private4], external_gateway: public}}
security_groups: {web: {rules: [{protocol: icmp}, {protocol: tcp, ports: 80}]}}
guests:
  web1:
    ports: [{network: private, security_groups: [web], fixed_ips: [10.0.0.11]}]
    run: [{command: exec python3 -m http.server 80 --directory /usr/share/common-licenses, background: true}]
  vm2: {ports: [{network: private, security_groups: [web]}]}
  watcher: {ports: [{network: private, security_groups: [web]}]}
checks:
  name: {kind: dns, from: vm2, name: www.lab.test, server: 10.0.0.2, answer: 10.0.0.11, within: 60s}
  out: {kind: ping, from: vm2, to: client, within: 60s}
"""
# Of what a lab file makes.
PROJECT = "fakevm"
URL = "http://203.0.113.81:8080/GPL-3"


@pytest.fixture(scope="module")
def lab(own_labs: Labs) -> Iterator[Lab]:
    """Bring up a lab with all of them on one host; what was derived for it is removed."""
    (own_labs.folder / "lab.yaml").write_text(LAB)
    up = own_labs.up("services", str(own_labs.folder / "lab.yaml"))
    yield up
    own_labs.fakevm("lab", "down", "services")
    release.remove(up.record.release)


def openstack(lab: Lab, *words: str) -> dict[str, Any]:
    """Run a command that makes something; gives it."""
    done = lab.openstack(*words, "-f", "json")
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def make(lab: Lab, path: str, kind: str, **fields: Any) -> dict[str, Any]:
    """Make something that the openstack client has no words for."""
    body = json.dumps({kind: fields}).encode()
    request = urllib.request.Request(f"{lab.record.endpoint}/v2.0/{path}", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert answer.status == 201
        return dict(json.load(answer)[kind])


def port(lab: Lab, guest: str) -> str:
    """Find the port of a guest."""
    return str(next(row["vif_id"] for row in lab.told("list") if row["name"] == guest))


def outside(lab: Lab, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command at the client outside."""
    return lab.fakevm("lab", "exec", "outside", "--", "ip", "netns", "exec", "client", *words)


def test_port_forwarding(lab: Lab) -> None:
    assert lab.fakevm("check", "--only", "out").returncode == 0
    address = openstack(lab, "floating", "ip", "create", "--floating-ip-address", "203.0.113.81", "public")
    ask = ("curl", "-s", "-m", "3", URL)
    assert outside(lab, *ask).returncode
    openstack(
        lab, "floating", "ip", "port", "forwarding", "create", "--internal-ip-address", "10.0.0.11",
        "--port", port(lab, "web1"), "--internal-protocol-port", "80", "--external-protocol-port", "8080",
        "--protocol", "tcp", str(address["id"]),
    )  # fmt: skip
    until(lambda: "GNU GENERAL" in outside(lab, *ask).stdout)


def test_dns(lab: Lab) -> None:
    done = lab.openstack("port", "set", "--dns-name", "www", port(lab, "web1"))
    assert done.returncode == 0, done.stderr
    checked = lab.fakevm("check", "--only", "name")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def logged(lab: Lab) -> str:
    """Give what a host has logged of packets."""
    return lab.fakevm("lab", "exec", "all", "--", "cat", "/run/neutron/network.log").stdout


def test_log(lab: Lab) -> None:
    assert "DROP" not in logged(lab)
    make(lab, "log/logs", "log", name="drops", resource_type="security_group", event="DROP", project_id=PROJECT)

    def knocked() -> bool:
        lab.fakevm("exec", "vm2", "--", "timeout", "2", "bash", "-c", "echo >/dev/tcp/10.0.0.11/22")
        return bool(re.search(r"action=DROP.*10\.0\.0\.11", logged(lab)))

    until(knocked)


def test_network_segment_range(lab: Lab) -> None:
    numbers = {"network_type": "vxlan", "minimum": 20000, "maximum": 20000}
    make(lab, "network_segment_ranges", "network_segment_range", shared=False, project_id="ranged", **numbers)
    network = make(lab, "networks", "network", name="ranged", project_id="ranged")
    assert network["provider:segmentation_id"] == 20000
    openstack(lab, "subnet", "create", "--network", "ranged", "--subnet-range", "10.5.0.0/24", "--no-dhcp", "ranged")
    one, two = (lab.guest("ranged", name, "all", "--addressing", "static") for name in ("one", "two"))
    assert lab.reaches(one, two, within=60)


def test_taas_mirrors_a_guest_s_packets_to_another(lab: Lab) -> None:
    capture = ("timeout", "20", "tcpdump", "-c", "1", "-n", "icmp", "and", "dst", "host", "10.0.0.11")

    def seen() -> bool:
        with lab.labs.begin("--lab", "services", "exec", "watcher", "--", *capture) as watching:
            lab.fakevm("exec", "vm2", "--", "ping", "-c", "15", "-i", "0.5", "10.0.0.11")
            said, _ = watching.communicate(timeout=120)
        return "ICMP echo request" in said

    assert not seen()
    watcher = {"project_id": PROJECT, "port_id": port(lab, "watcher")}
    service = make(lab, "taas/tap_services", "tap_service", name="service", **watcher)
    source = {"project_id": PROJECT, "source_port": port(lab, "web1"), "direction": "BOTH"}
    make(lab, "taas/tap_flows", "tap_flow", name="flow", tap_service_id=service["id"], **source)
    assert awaited(seen, True, 120)
