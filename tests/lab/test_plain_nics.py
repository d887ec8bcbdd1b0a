"""Plain interfaces in labs with Neutron, on both backends that have them; their switch is killed under them."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator

import pytest

from fakevm.testing.labs import Lab, Labs

from .conftest import until

pytestmark = [pytest.mark.lab, pytest.mark.slow]

FILE = """\
backend: {backend}
hosts: {{host1: {{roles: [compute, dhcp]}}, host2: {{}}, {third}}}
networks:
  private: {{subnets: {{private4: {{cidr: 10.0.0.0/24}}}}}}
guests:
  veth: {{host: host1, kind: container, interfaces: {{eth0: {{network: private, fixed_ips: [10.0.0.11]}}}}}}
  plain:
    host: host1
    kind: container
    interfaces: {{eth0: {{network: private, fixed_ips: [10.0.0.12], nic: plain}}}}
  bare: {{host: host1, interfaces: {{eth0: {{network: private, fixed_ips: [10.0.0.13], nic: plain}}}}}}
  far: {{host: host2, interfaces: {{eth0: {{network: private, fixed_ips: [10.0.0.14], nic: {last}}}}}}}
"""
HERE = ("veth", "plain", "bare")
# Seconds within which everything works again (issue 16, Show 8).
AGAIN = 60.0


@pytest.fixture(scope="module", params=["ovs", "ovn"])
def lab(request: pytest.FixtureRequest, own_labs: Labs) -> Iterator[Lab]:
    third = "host3: {firewall: iptables_hybrid}" if request.param == "ovs" else "host3: {}"
    lab = own_labs.up_from(f"plain-{request.param}", FILE.format(backend=request.param, third=third, last="veth"))
    for guest in HERE:
        until(lambda guest=guest: reaches(lab, guest), AGAIN)
    yield lab
    assert lab.fakevm("lab", "down").returncode == 0


def inside(lab: Lab, guest: str, line: str) -> str:
    return lab.fakevm("exec", guest, "--", "sh", "-c", line).stdout.strip()


def reaches(lab: Lab, guest: str, address: str = "10.0.0.14") -> bool:
    return lab.fakevm("exec", guest, "--", "ping", "-c1", "-W1", address).returncode == 0


def nic(lab: Lab, guest: str) -> str:
    (interface,) = json.loads(lab.fakevm("guest", "show", guest, "-f", "json").stdout)["interfaces"]
    assert not interface["problem"]
    return str(interface["nic"])


def hanging(lab: Lab, guest: str) -> list[str]:
    """Give what hangs on eth0, but for the device's number, and what goes by."""
    words = inside(lab, guest, "ip -4 -o address show dev eth0; ip route show dev eth0").split()
    return [word for word in words if not re.fullmatch(r"\d+(sec|:)", word)]


def test_they_are_as_a_machines_own(lab: Lab) -> None:
    assert [nic(lab, guest) for guest in (*HERE, "far")] == ["veth", "plain", "plain", "veth"]
    assert ": eth0@if" in inside(lab, "veth", "ip -o link show eth0")
    for guest in ("plain", "bare"):
        assert ": eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> " in inside(lab, guest, "ip -o link show eth0")
        assert " state UP " in inside(lab, guest, "ip -o link show eth0")


def test_the_switch_is_killed_under_guests_with_either_nic(lab: Lab) -> None:
    for guest in HERE:
        inside(lab, guest, "ip address add 10.77.0.1/24 dev eth0; ip route add 10.78.0.0/16 via 10.0.0.14")
    before = {guest: hanging(lab, guest) for guest in HERE}
    for _ in range(2):
        assert lab.fakevm("lab", "kill", "host1/ovs-vswitchd").returncode == 0
        began = time.monotonic()
        for guest in HERE:
            until(lambda guest=guest: reaches(lab, guest), AGAIN)
        assert time.monotonic() - began < AGAIN
        print(f"works again {time.monotonic() - began:.1f} s after the switch")
        assert {guest: hanging(lab, guest) for guest in HERE} == before
        assert all("eth0" in inside(lab, guest, "ip -o link") for guest in HERE)
    until(lambda: not [row["problem"] for row in lab.told("list") if row["problem"]], AGAIN)


def test_one_moves_reboots_and_comes_back_with_its_host(lab: Lab) -> None:
    assert lab.fakevm("migrate", "host2", "plain", "--host", "host1").returncode == 0
    assert nic(lab, "plain") == "plain"
    until(lambda: reaches(lab, "plain"), AGAIN)
    assert lab.fakevm("migrate", "host1", "plain", "--host", "host2").returncode == 0
    assert lab.fakevm("guest", "reboot", "plain").returncode == 0
    assert nic(lab, "plain") == "plain"
    until(lambda: reaches(lab, "plain"), AGAIN)
    assert lab.fakevm("host", "kill", "host1").returncode == 0
    assert lab.fakevm("host", "start", "host1").returncode == 0
    for guest in HERE:
        until(lambda guest=guest: reaches(lab, guest), 4 * AGAIN)
    assert [nic(lab, guest) for guest in HERE] == ["veth", "plain", "plain"]


def test_a_command_gives_a_guest_one_and_is_refused_where_it_would_not_do(lab: Lab) -> None:
    made = lab.told("create-port", "private", "more", "--host", "host1", "--nic", "plain", "--name", "more")
    assert nic(lab, "more") == "plain"
    assert lab.told("plug", made["vif_id"], "--host", "host1")["status"] == "ACTIVE"
    assert nic(lab, "more") == "plain"
    assert lab.fakevm(
        "interface", "attach", "more", "--network", "private", "--device", "eth1", "--nic", "plain"
    ).stdout
    assert ": eth1: " in inside(lab, "more", "ip -o link")
    assert lab.fakevm("impair", "set", "more:eth1", "--sent", "--loss", "1%").returncode == 0
    refused = lab.fakevm("impair", "set", "more:eth1", "--received", "--loss", "1%")
    assert "can be neither impaired nor shaped" in refused.stderr
    if lab.record.backend == "ovs":
        refused = lab.fakevm("create-port", "private", "no", "--host", "host3", "--nic", "plain")
        assert "iptables_hybrid" in refused.stderr
        refused = lab.fakevm("migrate", "host3", "plain", "--host", "host1")
        assert "iptables_hybrid" in refused.stderr
        assert refused.returncode == 1
        until(lambda: reaches(lab, "plain"), AGAIN)
    for interface in json.loads(lab.fakevm("guest", "show", "more", "-f", "json").stdout)["interfaces"]:
        assert lab.fakevm("delete-port", interface["attached"]).returncode == 0
    assert "more" not in [row["name"] for row in lab.told("list")]


def test_an_edited_file_makes_one_plain(lab: Lab) -> None:
    backend = lab.record.backend
    third = "host3: {firewall: iptables_hybrid}" if backend == "ovs" else "host3: {}"
    path = lab.record.directory.parent / "edited.yaml"
    path.write_text(FILE.format(backend=backend, third=third, last="plain"))
    applied = lab.fakevm("lab", "apply", str(path))
    assert applied.returncode == 0, applied.stderr
    assert nic(lab, "far") == "plain"
    until(lambda: reaches(lab, "plain"), AGAIN)
    assert not lab.told("lab", "diff")
