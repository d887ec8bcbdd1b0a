"""Hosts that are in some physical networks only, and networks of several segments."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fakevm.backend import base as backends
from fakevm.errors import NotFound
from fakevm.lab import host as hosts
from fakevm.lab import reading
from fakevm.lab.apply.drift import drift
from fakevm.lab.planning import completed, make_plan
from fakevm.lab.problem import InvalidFile
from fakevm.lab.settle.settling import settle
from fakevm.lab.topology.description import resources
from fakevm.lab.topology.kinds import KINDS
from fakevm.lab.topology.store import Store
from fakevm.model.labfile import LabFile
from fakevm.model.plan import LabPlan
from fakevm.model.resource import Ref, Resource

LAB = """\
hosts:
  h1: {roles: [compute, dhcp], physical_networks: [rack1]}
  h2: {physical_networks: [rack2]}
  h3: {physical_networks: []}
physical_networks: {rack1: {}, rack2: {mtu: 1400}}
networks:
  racks:
    segments: {rack1: {segment: 101}, rack2: {type: flat}}
    subnets: {s1: {cidr: 10.1.0.0/24, segment: rack1}, s2: {cidr: 10.2.0.0/24, segment: rack2}}
  everywhere: {}
guests: {vm1: {host: h1, ports: [racks]}, vm2: {ports: [racks]}, vm3: {ports: [everywhere]}}
"""


def read(text: str = LAB) -> LabFile:
    return reading.parse(text, "file")


def plan(backend: str) -> LabPlan:
    lab = completed(read(), backends.load(backend))
    return make_plan(lab, Path(), dict.fromkeys([lab.version()], Path()), kernel_datapath=False)


@pytest.mark.parametrize("name", ["ovs", "ovn"])
def test_a_host_has_links_bridges_and_mappings_of_its_own_networks_alone(name: str) -> None:
    made, backend = plan(name), backends.load(name)
    for host, there in zip(made.hosts, ("rack1", "rack2", ""), strict=True):
        links = {link.device for link in hosts._links(made, host, backend)}
        assert links == {"mgmt", "underlay", *([f"qfo{there}"] if there else [])}
        told = backend.host_files(made, host)["switch.sh"] + str(backend.agent_settings(made, host))
        assert {rack for rack in ("rack1", "rack2") if f"{rack}:br-{rack}" in told} == ({there} if there else set())


def test_guests_without_a_host_come_to_one_that_reaches_their_networks() -> None:
    lab = read()
    assert [lab.home(guest) for guest in lab.guests] == ["h1", "h2", "h3"]
    assert settle(lab, kernel_datapath=False).lab.guests


def test_where_no_host_takes_guests_that_is_all_that_is_told_of_them() -> None:
    lab = read("{hosts: {h: {roles: [dhcp]}}, networks: {n: {}}, guests: {g: {ports: [{network: n, nic: plain}]}}}")
    assert lab.home("g") == ""
    with pytest.raises(InvalidFile) as caught:
        settle(lab, kernel_datapath=False)
    assert [problem.path for problem in caught.value.problems] == ["guests"]


def test_neutron_makes_segments_with_their_network() -> None:
    found = {str(r.ref): r for r in resources(read())}
    assert found["network racks"].attributes["segments"] == [
        {"provider:network_type": "vlan", "provider:physical_network": "rack1", "provider:segmentation_id": 101},
        {"provider:network_type": "flat", "provider:physical_network": "rack2"},
    ]
    segment = Ref("segment", "racks: rack2")
    assert found["subnet s2"].attributes["segment_id"] == segment
    assert found[str(segment)].attributes == {"network_id": Ref("network", "racks"), "physical_network": "rack2"}
    order = list(found)
    assert order.index("network racks") < order.index(str(segment)) < order.index("subnet s2")
    assert read().needed_services == ("segments",)


class Segments:
    """A Neutron that has segments, or none."""

    there = True

    def __init__(self, *rows: dict[str, Any]) -> None:
        self.rows = rows

    def collection(self, path: str, what: str, **query: Any) -> list[dict[str, Any]]:
        if not self.rows:
            raise NotFound("no such path")
        return [row for row in self.rows if all(row.get(key) == value for key, value in query.items())]


def test_segments_are_found_and_those_of_other_networks_are_nobodys() -> None:
    rows = [
        {"id": "s1", "network_id": "n", "physical_network": "rack1"},
        {"id": "s2", "network_id": "n", "physical_network": "rack2"},
        {"id": "s3", "network_id": "other", "physical_network": None},
    ]
    where = KINDS["segment"].elsewhere
    assert where is not None
    names = [name for name, _ in where.read(rows, {"n": "racks", "other": "everywhere"})]
    assert names == ["racks: rack1", "racks: rack2"]
    store = Store(Segments(*rows), "fakevm")  # type: ignore[arg-type]
    store.seen[Ref("network", "racks")] = {"id": "n"}
    ref = Ref("segment", "racks: rack2")
    wanted = {"network_id": Ref("network", "racks"), "physical_network": "rack2"}
    store.make(Resource(ref, wanted, parent=Ref("network", "racks")))
    assert store.ids[ref] == "s2"
    with pytest.raises(NotFound, match="Neutron has made none"):
        store.make(Resource(Ref("segment", "racks: rack9"), {"physical_network": "rack9"}))


def test_what_neutron_chooses_later_is_no_drift() -> None:
    by_ref = {str(r.ref): r for r in resources(read())}
    port, subnet = by_ref["port vm1"], by_ref["subnet s1"]
    assert port.attributes.get("fixed_ips") is None
    route = {"destination": "10.2.0.0/24", "nexthop": "10.1.0.1"}
    bare = {key: value for key, value in subnet.attributes.items() if not isinstance(value, Ref)}
    seen = {
        port.ref: {"id": "p", "name": "vm1", "fixed_ips": [{"subnet_id": "s", "ip_address": "10.1.0.7"}]},
        subnet.ref: {**bare, "id": "s", "name": "s1", "segment_id": "x", "host_routes": [route]},
    }
    answers = {
        port.ref: {"id": "p", "fixed_ips": [], "ip_allocation": "deferred"},
        subnet.ref: {**bare, "id": "s", "host_routes": []},
    }
    wanted = [Resource(port.ref, {}), Resource(subnet.ref, bare)]
    assert list(drift(wanted, seen, {}, answers)) == []
    # Of a network without segments it would be.
    del answers[port.ref]["ip_allocation"], seen[subnet.ref]["segment_id"]
    assert [found.attribute for found in drift(wanted, seen, {}, answers)] == ["fixed_ips", "host_routes"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "h2: {physical_networks: [rack2]}",
            "h2: {physical_networks: []}",
            "no host is in the physical network",
        ),
        ("vm1: {host: h1", "vm1: {host: h3", "the host 'h3' is not in a physical network of 'racks'"),
        ("[rack1]}", "[rack1, rack2]}", "the host 'h1' is in 2 segments of the network: rack1, rack2"),
        ("[rack1]}", "[rack7]}", "no physical network 'rack7'"),
        (", segment: rack2}", "}", "say on which segment the subnet 's2' is"),
        (", rack2: {type: flat}}", "}", "one segment is no routed network"),
        ("{type: flat}", "{type: flat, segment: 5}", "a flat network has no segment"),
        ("    segments:", "    type: vlan\n    physical_network: rack1\n    segments:", "give segments, or a type"),
        (
            "everywhere: {}",
            "everywhere: {mtu: 1401, type: flat, physical_network: rack2}",
            "a flat network is 1400",
        ),
        (
            "everywhere: {}",
            "everywhere: {type: flat, physical_network: rack2}",
            "the physical network rack2 already",
        ),
    ],
)
def test_what_cannot_be_is_told(old: str, new: str, said: str) -> None:
    with pytest.raises(InvalidFile, match=said):
        settle(read(LAB.replace(old, new, 1)), kernel_datapath=False)


def test_a_router_that_may_come_to_a_host_without_its_way_out_is_told() -> None:
    routed = """\
hosts: {h1: {roles: [compute, l3], physical_networks: [out]}, h2: {roles: [l3], physical_networks: []}}
physical_networks: {out: {}}
networks: {public: {type: flat, physical_network: out, external: true, subnets: {p: {cidr: 203.0.113.0/24}}}}
routers: {r: {external_gateway: public}}
"""
    with pytest.raises(InvalidFile, match="the router may be on h2, which is not in the physical network of 'public'"):
        settle(read(routed), kernel_datapath=False)
    settle(read(routed.replace("roles: [l3], ", "")), kernel_datapath=False)
