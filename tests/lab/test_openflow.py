"""A lab whose switches obey an OpenFlow controller: what guests can do there, and that nothing is left of it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from . import machine
from .conftest import Lab, Labs, awaited, until
from .pings import pinging

pytestmark = pytest.mark.lab

FILE = """
backend: openflow
physical_networks: {fakevm: {vlans: [200, 299]}}
hosts: {compute1: {}, compute2: {}, network1: {roles: [dhcp, l3]}}
networks:
  red: {type: vxlan, subnets: {red4: {cidr: 10.0.0.0/24}}}
  blue: {type: vxlan, subnets: {blue4: {cidr: 10.0.0.0/24}}}
  tagged: {type: vlan, physical_network: fakevm, subnets: {tagged4: {cidr: 10.1.0.0/24}}}
routers: {router: {ha: true, interfaces: [red4, tagged4]}}
guests:
  red1: {host: compute1, ports: [{network: red, fixed_ips: [10.0.0.11]}]}
  red2: {host: compute2, ports: [{network: red, fixed_ips: [10.0.0.12]}]}
  blue1: {host: compute1, ports: [{network: blue, fixed_ips: [10.0.0.13]}]}
  tagged1: {host: compute1, ports: [{network: tagged, fixed_ips: [10.1.0.11]}]}
  tagged2: {host: compute2, ports: [{network: tagged, fixed_ips: [10.1.0.12]}]}
"""
OWN = Path(__file__).parents[2] / "examples/openflow/one_lan.py"
FAULTY = """\
from fakevm_openflow.switchboard import EventWorld
from os_ken.base import app_manager
from os_ken.controller.handler import set_ev_cls


class Faulty(app_manager.OSKenApp):
    worlds = 0

    @set_ev_cls(EventWorld)
    def changed(self, event):
        self.worlds += 1
        raise ValueError(f"mistake {self.worlds}")
"""
CONTROLLER = "/run/fakevm/service/openflow-controller"


@pytest.fixture(scope="module")
def lab(own_labs: Labs, before: machine.Seen) -> Lab:
    """Share one lab among all tests here; the last one ends it."""
    path = own_labs.folder / "openflow.yaml"
    path.write_text(FILE)
    return own_labs.up("openflow", str(path))


@pytest.fixture(scope="module")
def ids(lab: Lab) -> dict[str, str]:
    """Give the guests' ports by name."""
    rows = json.loads(lab.fakevm("list", "-f", "json").stdout)
    assert {row["status"] for row in rows} == {"ACTIVE"}, rows
    ports = lab.openstack("port", "list", "-f", "json", "-c", "ID", "-c", "Name").stdout
    named = {row["ID"]: row["Name"] for row in json.loads(ports)}
    return {named[row["vif_id"]].partition("-")[0]: row["vif_id"] for row in rows}


def reaches(lab: Lab, source: str, target: str) -> bool:
    return lab.fakevm("exec", source, "--", "ping", "-c3", "-i0.2", "-W1", target).returncode == 0


def comes_true(lab: Lab, source: str, target: str, wanted: bool, timeout: float = 60) -> bool:
    """Wait until a change of the controller is in force."""
    return awaited(lambda: reaches(lab, source, target), wanted, timeout) is wanted


def flows(lab: Lab, host: str) -> str:
    done = lab.fakevm("lab", "exec", host, "--", "ovs-ofctl", "-O", "OpenFlow13", "dump-flows", "br-int")
    assert done.returncode == 0, done.stderr
    return done.stdout


def switches(lab: Lab) -> dict[str, bool]:
    words = ("network", "agent", "list", "-f", "json", "-c", "Host", "-c", "Alive", "-c", "Binary")
    rows = json.loads(lab.openstack(*words).stdout)
    return {row["Host"]: row["Alive"] for row in rows if row["Binary"] == "fakevm-openflow-controller"}


def test_for_neutron_every_switch_is_an_agent(lab: Lab) -> None:
    assert switches(lab) == dict.fromkeys(("compute1", "compute2", "network1"), True)
    programs = {row["program"] for row in json.loads(lab.fakevm("lab", "status", "-f", "json").stdout)}
    assert "openflow-controller" in programs
    assert "neutron-openvswitch-agent" not in programs


def test_guests_get_addresses_and_reach_one_another_through_tunnels(lab: Lab, ids: dict[str, str]) -> None:
    assert comes_true(lab, ids["red1"], "10.0.0.12", True)
    seen = lab.fakevm("exec", ids["red1"], "--", "sh", "-c", "ip address; cat /var/lib/dhcp/*").stdout
    assert "10.0.0.11/24" in seen
    assert "mtu 1450" in seen
    assert "198.19.0.3" in flows(lab, "compute1")


def test_networks_are_apart_though_their_addresses_are_the_same(lab: Lab, ids: dict[str, str]) -> None:
    assert not reaches(lab, ids["blue1"], "10.0.0.12")
    assert not reaches(lab, ids["blue1"], "10.0.0.11")
    assert not reaches(lab, ids["red1"], "10.0.0.13")


def test_vlans_run_over_the_bridge_that_joins_the_hosts(lab: Lab, ids: dict[str, str]) -> None:
    assert comes_true(lab, ids["tagged1"], "10.1.0.12", True)
    joined = lab.fakevm("lab", "exec", "lab", "--", "ip", "-brief", "link", "show", "master", "br-fakevm").stdout
    assert set(re.findall(r"^(qfb\d)-fakevm", joined, re.MULTILINE)) == {"qfb1", "qfb2", "qfb3"}
    assert re.search(r"push_vlan:0x8100,set_field:\d+->vlan_vid", flows(lab, "compute1"))


@pytest.mark.parametrize("way", ["--live", "--cold"])
def test_a_guest_moves_and_answers_again(lab: Lab, ids: dict[str, str], way: str) -> None:
    source, target = ("compute2", "compute1") if way == "--live" else ("compute1", "compute2")
    words = () if way == "--live" else (way,)
    done = lab.fakevm("migrate", target, ids["red2"], "--host", source, *words, "-f", "json")
    assert done.returncode == 0, done.stderr
    assert "nobody can tell" not in done.stderr
    assert json.loads(done.stdout)["status"] == "ACTIVE"
    assert comes_true(lab, ids["red1"], "10.0.0.12", True)
    assert not reaches(lab, ids["blue1"], "10.0.0.12")


def test_a_highly_available_router_leads_between_networks(lab: Lab, ids: dict[str, str]) -> None:
    assert comes_true(lab, ids["red1"], "10.1.0.12", True)


def test_a_network_host_comes_back_and_serves(lab: Lab, ids: dict[str, str]) -> None:
    for word in ("kill", "start"):
        done = lab.fakevm("host", word, "network1")
        assert done.returncode == 0, done.stderr
    assert "does not serve" not in done.stderr
    assert comes_true(lab, ids["red1"], "10.1.0.12", True)


def cookies(lab: Lab) -> set[str]:
    """Tell which runs of the controller the flows of compute2 are of."""
    return set(re.findall(r"cookie=(\w+)", flows(lab, "compute2")))


def restarts(lab: Lab) -> int:
    """Count how often the controller was started again."""
    rows = lab.told("lab", "status")
    return int(next(row["restarts"] for row in rows if row["program"] == "openflow-controller"))


def test_nothing_is_lost_while_the_controller_is_dead_and_it_goes_on_afterwards(
    lab: Lab, ids: dict[str, str], tmp_path: Path
) -> None:
    before = cookies(lab)

    def taken_over() -> bool:
        return len(now := cookies(lab)) == 1 and now != before

    with pinging(lab, ids["red1"], "10.0.0.12", 0.2, tmp_path) as pings:
        assert lab.fakevm("lab", "exec", "lab", "--", "s6-svc", "-k", CONTROLLER).returncode == 0
        made = lab.fakevm("create-port", "red", "late", "--host", "compute2", "-f", "json")
        assert made.returncode == 0, made.stderr
        assert json.loads(made.stdout)["status"] == "ACTIVE"
        until(taken_over)
    assert pings.lost() == []
    assert awaited(lambda: restarts(lab), 1, 120) == 1


def test_a_deleted_guest_is_gone_everywhere(lab: Lab, ids: dict[str, str]) -> None:
    made = json.loads(lab.fakevm("create-port", "red", "short", "--host", "compute2", "-f", "json").stdout)
    assert made["mac_address"] in flows(lab, "compute1")
    told = lab.record.directory / f"openflow/{made['vif_id']}.json"
    assert told.exists()
    assert lab.fakevm("delete-port", made["vif_id"]).returncode == 0
    assert not told.exists()
    deadline = time.monotonic() + 60
    while made["mac_address"] in flows(lab, "compute1") + flows(lab, "compute2"):
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture
def apply(lab: Lab) -> Iterator[Callable[[Path | None], None]]:
    """Have the controller run another application; in the end, FakeVM's own again."""
    file = lab.record.directory / "neutron/ml2.ini"
    text = file.read_text()

    def change(application: Path | None) -> None:
        chosen = f"[openflow]\napplication = {application}\n" if application else "[openflow]\n"
        file.write_text(text.replace("[openflow]\n", chosen))
        assert lab.fakevm("lab", "exec", "lab", "--", "s6-svc", "-r", CONTROLLER).returncode == 0

    yield change
    change(None)


def test_the_users_own_application_takes_the_place(
    lab: Lab, ids: dict[str, str], apply: Callable[[Path | None], None]
) -> None:
    """That application ignores networks: the strangers of above meet, until FakeVM's own is back."""
    apply(OWN)
    assert comes_true(lab, ids["blue1"], "10.0.0.12", True)
    apply(None)
    assert comes_true(lab, ids["blue1"], "10.0.0.12", False)
    assert comes_true(lab, ids["red1"], "10.0.0.12", True)


def test_mistakes_of_the_users_own_application_are_in_its_log(
    lab: Lab, tmp_path: Path, apply: Callable[[Path | None], None]
) -> None:
    """Each of them: it goes on after the first."""
    (tmp_path / "faulty.py").write_text(FAULTY)
    apply(tmp_path / "faulty.py")
    until(lambda: "ValueError: mistake 1\n" in said(lab))
    assert lab.openstack("port", "create", "--network", "red", "news").returncode == 0
    until(lambda: "ValueError: mistake 2\n" in said(lab))


def said(lab: Lab) -> str:
    """Give the last words of the controller."""
    return lab.fakevm("lab", "logs", "openflow-controller", "-n", "500").stdout


def test_nothing_is_left(lab: Lab, before: machine.Seen) -> None:
    assert lab.labs.fakevm("lab", "down", "openflow").returncode == 0
    assert not machine.left_behind(before, lab.labs.mark)
