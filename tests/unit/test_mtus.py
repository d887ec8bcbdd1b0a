"""MTUs of physical networks and of the underlay: what is made so, what Neutron is told, what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from fakevm.backend import base as backends
from fakevm.lab import files, host, mtu, neutron, outside, reading
from fakevm.lab.planning import completed, make_plan
from fakevm.lab.problem import InvalidFile
from fakevm.lab.settle import types
from fakevm.lab.settle.settling import settle
from fakevm.model.plan import LabPlan

LAB = """\
hosts: {a: {}}
underlay: {mtu: 9000}
physical_networks: {big: {mtu: 8000, vlans: [1, 9]}, small: {}, way-out: {mtu: 9000}}
networks:
  big: {type: vlan, physical_network: big}
  small: {type: vlan, physical_network: small, segment: 5}
  public: {type: flat, physical_network: way-out, external: true, subnets: {p: {cidr: 203.0.113.0/24}}}
  tunnel: {}
"""


def plan(text: str, backend: str = "ovs") -> LabPlan:
    lab = completed(reading.parse(text, "file"), backends.load(backend))
    return make_plan(lab, Path(), dict.fromkeys([lab.version()], Path()), kernel_datapath=False)


def test_links_are_as_large_as_what_they_carry(tmp_path: Path) -> None:
    made = plan(LAB)
    links = {link.device: link.mtu for link in host._links(made, made.hosts[0], backends.load("ovs"))}
    assert links == {"mgmt": 1500, "underlay": 9000, "qfobig": 8000, "qfosmall": 1500, "qfoway-out": 9000}
    outside.write(made, tmp_path)
    assert " mtu 9000 type veth " in (tmp_path / "hosts/outside/links.batch").read_text()
    assert " peer name eth0 mtu 9000 " in (tmp_path / "hosts/outside/router.sh").read_text()


def test_neutron_is_told_of_them_and_of_nothing_where_all_is_ethernet() -> None:
    made = plan(LAB)
    assert mtu.general(made) == {"global_physnet_mtu": 9000}
    told = {"path_mtu": 9000, "physical_network_mtus": ["big:8000", "small:1500", "way-out:9000"]}
    assert mtu.ml2(made) == {"ml2": told}
    assert neutron.common_settings(made)["DEFAULT"]["global_physnet_mtu"] == 9000
    assert "physical_network_mtus = big:8000,small:1500,way-out:9000\n" in files.ini(mtu.ml2(made))
    assert mtu.general(plan("{}")) == mtu.ml2(plan("{}")) == {}


@pytest.mark.parametrize(("backend", "tunnel"), [("ovs", 8950), ("ovn", 8942)])
def test_networks_have_what_neutron_will_give_them(backend: str, tunnel: int) -> None:
    made = plan(LAB, backend)
    known = types.of(backends.load(backend), made)
    found = {name: known.largest_mtu(network) for name, network in made.networks.items()}
    assert found == {"big": 8000, "small": 1500, "public": 9000, "tunnel": tunnel}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("tunnel: {}", "tunnel: {mtu: 8951}", "the largest MTU of a vxlan network is 8950 here"),
        ("segment: 5", "segment: 5, mtu: 1501", "the largest MTU of a vlan network is 1500 here"),
    ],
)
def test_a_network_that_is_larger_than_what_carries_it_is_told_with_its_line(old: str, new: str, said: str) -> None:
    with pytest.raises(InvalidFile, match=said):
        settle(reading.parse(LAB.replace(old, new), "file"), kernel_datapath=False)


@pytest.mark.parametrize("wrong", ["underlay: {mtu: 9001}", "underlay: {mtu: 1279}"])
def test_an_mtu_that_no_link_has_is_refused(wrong: str) -> None:
    with pytest.raises(InvalidFile, match=r"underlay\.mtu"):
        reading.parse(wrong, "file")
