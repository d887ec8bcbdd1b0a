"""What is said to differ between a lab file and what Neutron has."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from fakevm.lab import reading
from fakevm.lab.apply import reality
from fakevm.lab.apply.drift import Drift, drift
from fakevm.lab.topology.description import resources
from fakevm.lab.topology.kinds import KINDS
from fakevm.model.interface import Interface, LinkEnd
from fakevm.model.labfile import LabFile
from fakevm.model.port import Binding, Port
from fakevm.model.resource import Ref, resolved

FILE: dict[str, Any] = {
    "hosts": {"host1": {"roles": ["compute", "l3"]}},
    "networks": {"private": {"mtu": 1300, "subnets": {"private4": {"cidr": "10.0.0.0/24", "dns": ["10.0.0.2"]}}}},
    "routers": {"r1": {"interfaces": ["private4"]}},
    "security_groups": {"web": {"rules": [{"protocol": "tcp", "ports": 80}], "all_egress": False}},
    "guests": {"vm1": {"ports": [{"network": "private", "security_groups": ["web"], "fixed_ips": ["10.0.0.7"]}]}},
}
# What Neutron chooses.
CHOSEN: dict[str, dict[str, Any]] = {
    "network": {"admin_state_up": True, "provider:segmentation_id": 7, "project_id": "fakevm"},
    "subnet": {"gateway_ip": "10.0.0.1", "enable_dhcp": True},
    "port": {"mac_address": "fa:16:3e:00:00:01", "device_owner": "compute:nova", "allowed_address_pairs": []},
}


class World:
    """Neutron with all of a lab, as the lab made it; to be changed by tests."""

    def __init__(self, tree: dict[str, Any] = FILE) -> None:
        self.lab: LabFile = reading.parse_mapping(deepcopy(tree), "file")
        wanted = resources(self.lab)
        ids = {resource.ref: f"id of {resource.ref}" for resource in wanted}
        self.marked: dict[Ref, dict[str, Any]] = {}
        for resource in wanted:
            seen = {**CHOSEN.get(resource.ref.kind, {}), **resolved(resource.attributes, ids), "id": ids[resource.ref]}
            label = KINDS[resource.ref.kind].label
            self.marked[resource.ref] = seen | ({label: resource.ref.name} if label else {})
        # An address that was asked for is answered with its subnet.
        self.of("port", "vm1")["fixed_ips"] = [{"ip_address": "10.0.0.7", "subnet_id": "id of subnet private4"}]
        self.answers = deepcopy(self.marked)
        self.unmarked: list[tuple[str, dict[str, Any]]] = []

    def of(self, kind: str, name: str) -> dict[str, Any]:
        return self.marked[Ref(kind, name)]

    def drift(self, lab: LabFile | None = None) -> list[Drift]:
        everything: dict[str, list[dict[str, Any]]] = {kind: [] for kind in KINDS if KINDS[kind].label}
        for ref, seen in self.marked.items():
            if KINDS[ref.kind].label:
                everything[ref.kind].append(seen)
        for kind, seen in self.unmarked:
            everything[kind].append(seen)
        return list(drift(resources(lab or self.lab), self.marked, everything, self.answers))


def test_what_is_as_it_was_made_does_not_differ() -> None:
    assert World().drift() == []


@pytest.mark.parametrize(
    ("kind", "name", "key", "value", "wanted"),
    [
        ("network", "private", "mtu", 1400, 1300),
        ("network", "private", "provider:segmentation_id", 8, 7),
        ("network", "private", "admin_state_up", False, True),
        ("network", "private", "qos_policy_id", "abc", None),
        ("subnet", "private4", "gateway_ip", "10.0.0.254", "10.0.0.1"),
        ("subnet", "private4", "dns_nameservers", ["10.0.0.2", "10.0.0.3"], ["10.0.0.2"]),
        ("port", "vm1", "mac_address", "fa:16:3e:00:00:02", "fa:16:3e:00:00:01"),
        ("port", "vm1", "security_groups", [], ["web"]),
        ("port", "vm1", "allowed_address_pairs", [{"ip_address": "10.0.0.9"}], []),
    ],
)
def test_an_attribute_that_was_changed_is_told(kind: str, name: str, key: str, value: Any, wanted: Any) -> None:
    world = World()
    world.of(kind, name)[key] = value
    assert world.drift() == [Drift("changed", kind, name, key, wanted, value)]


@pytest.mark.parametrize(("kind", "key"), [(kind, key) for kind in KINDS for key in KINDS[kind].compared])
def test_each_attribute_that_neutron_chose_is_compared(kind: str, key: str) -> None:
    ref = Ref(kind, "x")
    names = {KINDS[kind].label: "x", "id": "1", "device_owner": "compute:nova", "project_id": "p"}
    wanted = [type(resources(World().lab)[0])(ref, {})]
    found = list(drift(wanted, {ref: {**names, key: "new"}}, {}, {ref: {**names, key: "old"}}))
    assert found == [Drift("changed", kind, "x", key, "old", "new")]


def test_what_is_gone_is_missing_and_its_parts_are_not_told_beside_it() -> None:
    world = World()
    for ref in [ref for ref in world.marked if ref.kind.startswith("security group")]:
        del world.marked[ref]
    assert Drift("missing", "security group", "web") in world.drift()
    assert not [row for row in world.drift() if row.kind == "security group rule"]


def test_a_part_that_is_gone_is_missing() -> None:
    world = World()
    del world.marked[Ref("router interface", "r1-private4")]
    assert world.drift() == [Drift("missing", "router interface", "r1-private4")]


def test_what_has_another_name_is_known_by_its_id() -> None:
    world = World()
    seen = world.marked.pop(Ref("network", "private"))
    world.unmarked.append(("network", {**seen, "name": "public"}))
    assert world.drift() == [Drift("changed", "network", "private", "name", "private", "public")]


def test_what_was_made_by_hand_is_extra_and_what_neutron_made_is_not() -> None:
    world = World()
    world.unmarked += [
        ("network", {"id": "n1", "name": "mine", "project_id": "p"}),
        ("network", {"id": "n2", "name": "HA network tenant p", "project_id": ""}),
        ("subnet", {"id": "s2", "name": "HA subnet tenant p", "network_id": "n2"}),
        ("port", {"id": "p1", "name": "", "device_id": "vm9", "device_owner": "compute:nova"}),
        ("port", {"id": "p2", "name": "", "device_id": "dhcp1", "device_owner": "network:dhcp"}),
        ("security group", {"id": "g1", "name": "default"}),
    ]
    assert world.drift() == [
        Drift("extra", "network", "mine", "id", None, "n1"),
        Drift("extra", "port", "vm9", "id", None, "p1"),
    ]


def test_a_rule_made_by_hand_is_extra() -> None:
    world = World()
    rule = Ref("security group rule", "web: ingress IPv4 udp")
    world.marked[rule] = {"id": "r", "parent": "id of security group web"}
    assert world.drift() == [Drift("extra", *rule)]


def test_another_file_is_compared_with_what_there_is() -> None:
    tree = deepcopy(FILE)
    tree["networks"]["private"]["mtu"] = 1400
    tree["guests"]["vm1"]["ports"][0]["fixed_ips"] = ["10.0.0.8"]
    tree["guests"]["vm2"] = {"ports": ["private"]}
    del tree["routers"]
    found = World().drift(reading.parse_mapping(tree, "file"))
    assert {row[:4] for row in found} == {
        ("changed", "network", "private", "mtu"),
        ("changed", "port", "vm1", "fixed_ips"),
        ("missing", "port", "vm2", ""),
        ("extra", "router", "r1", "id"),
    }


def test_an_address_that_neutron_adds_by_router_advertisement_is_no_difference() -> None:
    world = World()
    both = [*world.of("port", "vm1")["fixed_ips"], {"ip_address": "fd00::7", "subnet_id": "other"}]
    world.of("port", "vm1")["fixed_ips"] = both
    assert [row.attribute for row in world.drift()] == ["fixed_ips"]
    world.answers[Ref("port", "vm1")]["fixed_ips"] = both
    assert world.drift() == []


def end(device: str, link: str = "core", **others: Any) -> Interface:
    return Interface(
        **{"name": device, "mac_address": "02:00:00:00:00:01", "mtu": 1500, "attachment": LinkEnd(link=link, end="a")}
        | others
    )


def test_what_an_interface_is_made_of_is_compared() -> None:
    binding = Binding(host="host1", vif_type="ovs")
    port = Port(id="p", name="vm1", mac_address="", mtu=1, network_id="n", instance_id="i", binding=binding)
    found = [Interface(name="eth0", mac_address="", mtu=1, attachment=port.model_copy(update={"nic": "plain"}))]
    guest = reading.parse_mapping(deepcopy(FILE), "file").guests["vm1"]
    assert list(reality.made_of("vm1", guest, found)) == [
        Drift("changed", "interface", "vm1:eth0", "nic", "veth", "plain")
    ]
    assert not list(reality.made_of("vm1", guest, [found[0].model_copy(update={"attachment": port})]))


def test_interfaces_at_links_ends_are_compared_with_those_that_a_guest_has() -> None:
    wanted = {"eth1": end("eth1", addresses=("10.7.0.1/24",)), "eth2": end("eth2", "edge")}
    assert list(reality.interfaces("r1", (), wanted, wanted)) == []
    found = {"eth1": end("eth1", addresses=("10.7.0.9/24",), index=4), "eth9": end("eth9", "mine")}
    assert list(reality.interfaces("r1", ["eth0"], wanted, found)) == [
        Drift("missing", "interface", "r1:eth0"),
        Drift("missing", "interface", "r1:eth2"),
        Drift("changed", "interface", "r1:eth1", "addresses", ["10.7.0.1/24"], ["10.7.0.9/24"]),
        Drift("extra", "interface", "r1:eth9", "attached", None, "link mine"),
    ]
