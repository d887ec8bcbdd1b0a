"""Kinds of Neutron's resources: what they all have in common, and address groups as an example of one."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pytest

from fakevm.backend.openflow import OpenflowBackend
from fakevm.backend.ovs import OvsBackend
from fakevm.errors import InvalidInput, NotFound, Refused
from fakevm.lab import neutron, planning, reading
from fakevm.lab.apply.difference import difference
from fakevm.lab.features import reduction
from fakevm.lab.topology import making
from fakevm.lab.topology.description import resources, stages
from fakevm.lab.topology.kinds import KINDS
from fakevm.lab.topology.store import Store
from fakevm.model.labfile import LabFile
from fakevm.model.resource import TAG, Ref, Resource, refs

FILE = """\
networks: {private: {subnets: {private4: {cidr: 10.0.0.0/24}}}}
address_groups:
  office: {addresses: [10.0.0.7, 10.1.0.0/24, '2001:db8::/64']}
  nobody: {}
security_groups:
  web: {rules: [{protocol: tcp, ports: 80, remote_address_group: office}]}
guests: {vm1: {ports: [{network: private, security_groups: [web]}]}}
"""


def lab(text: str = FILE) -> LabFile:
    return reading.parse(text, "file")


def test_every_kind_is_told_by_one_key_of_the_lab_file_or_by_guests() -> None:
    kinds = [kind for value in LabFile.sections().values() for kind in value.kinds]
    assert len(kinds) == len({kind.name for kind in kinds})
    assert set(KINDS) - {kind.name for kind in kinds} == {"trunk", "RBAC policy"}
    named = {name for kind in KINDS.values() for name in (kind.part_of, *kind.after)} - {""}
    assert named <= set(KINDS)
    # What is shared is of many kinds: the policies for it are no part of one.
    assert {kind.name for kind in KINDS.values() if not kind.label and not kind.part_of} == {"RBAC policy"}


def test_the_order_is_that_of_what_refers_to_what() -> None:
    order = [stage.title for stage in stages(lab())]
    assert order.index("address groups") < order.index("security group rules") < order.index("ports")
    assert order.index("subnets") < order.index("ports")
    for place, stage in enumerate(stages(lab())):
        later = {resource.ref for after in stages(lab())[place:] for resource in after.resources}
        assert not later & {ref for resource in stage.resources for ref in refs(resource.attributes)}


def test_who_refers_to_a_whole_comes_after_its_parts() -> None:
    text = FILE.replace("{subnets", "{qos_policy: slow, subnets")
    order = [stage.title for stage in stages(lab(text + "qos_policies: {slow: {bandwidth_limits: [{rate: 9}]}}\n"))]
    assert order.index("QoS policies") < order.index("QoS rules") < order.index("networks") < order.index("ports")


def test_an_address_group_has_networks_and_its_rule_names_it() -> None:
    made = {str(resource.ref): resource.attributes for resource in resources(lab())}
    assert made["address group office"] == {"addresses": ["10.0.0.7/32", "10.1.0.0/24", "2001:db8::/64"]}
    assert made["address group nobody"] == {"addresses": []}
    rule = made["security group rule web: ingress IPv4 tcp 80-80 address group office"]
    assert rule["remote_address_group_id"] == Ref("address group", "office")
    assert lab().address_groups["office"].addresses == ("10.0.0.7", "10.1.0.0/24", "2001:db8::/64")


@pytest.mark.parametrize(
    ("written", "instead", "words"),
    [
        ("10.0.0.7,", "10.0.0.7/24,", "did you mean 10.0.0.0/24"),
        ("10.0.0.7,", "10.1.0.0/24,", "'10.1.0.0/24' is there more than once"),
        ("10.0.0.7,", "10.0.0.7, 10.0.0.7/32,", "'10.0.0.7' is there more than once"),
        ("10.0.0.7,", "vm1,", "office"),
        ("group: office", "group: ofice", "there is no address group 'ofice'. Did you mean 'office'?"),
        ("group: office", "group: office, remote: 10.0.0.0/8", "one of remote, remote_group and remote_address_group"),
    ],
)
def test_mistakes_in_address_groups_are_told(written: str, instead: str, words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        lab(FILE.replace(written, instead, 1))
    assert words in str(caught.value)


def test_members_are_changed_in_place_and_rules_go_before_their_group() -> None:
    where = {"vm1": "compute1"}
    todo = difference(lab(), lab(FILE.replace("10.0.0.7, ", "")), where)
    assert [str(step.action) for step in todo.steps()] == ["change"]
    ((resource, attributes),) = todo.changed
    assert (str(resource.ref), attributes) == (
        "address group office",
        {"addresses": ["10.1.0.0/24", "2001:db8::/64"]},
    )
    without = FILE.replace(", remote_address_group: office", "")
    without = "".join(line for line in without.splitlines(keepends=True) if "office" not in line)
    todo = difference(lab(), lab(without), where)
    assert [str(resource.ref) for resource in todo.removed_late] == [
        "security group rule web: ingress IPv4 tcp 80-80 address group office",
        "address group office",
    ]


def test_a_backend_that_filters_nothing_has_none() -> None:
    reduced = reduction.without(lab(), OpenflowBackend().lacks)
    assert reduced.left_out["security-groups"] == ["security group web", "address group office", "address group nobody"]
    assert reduced.lab.guests["vm1"].ports[0].security_groups is None
    assert not reduced.lab.address_groups


def test_what_is_left_out_is_forgotten_wherever_it_is_named() -> None:
    text = FILE.replace("{subnets", "{qos_policy: slow, subnets").replace(
        "network: private,", "network: private, qos_policy: slow,"
    )
    limited = lab(text + "qos_policies: {slow: {bandwidth_limits: [{rate: 10 Mbit/s}]}}\n")
    left = reduction.without(limited, {"qos": "limits nothing"}).lab
    assert (left.networks["private"].qos_policy, left.guests["vm1"].ports[0].qos_policy) == (None, None)
    assert left.guests["vm1"].ports[0].security_groups == ("web",)
    assert not left.qos_policies


def test_neutron_loads_the_service_plugins_that_a_file_needs() -> None:
    plan = planning.make_plan(lab(), Path("/lab"), {"29.0.0": Path("/venv")}, kernel_datapath=False)
    assert plan.service_plugins == ()
    assert lab("qos_policies: {slow: {}}").service_plugins == ("qos",)
    needing = plan.model_copy(update={"service_plugins": ("mine", "qos")})
    settings = neutron.server_settings(needing, OvsBackend())
    assert settings["DEFAULT"]["service_plugins"] == "router,qos,trunk,mine"


class Kept:
    """Neutron's API, with a security group of which a rule names an address group, and a router."""

    there = True

    ROWS: ClassVar[dict[str, list[dict[str, Any]]]] = {
        "/security-groups": [
            {
                "id": "g1",
                "name": "web",
                "security_group_rules": [
                    {
                        "id": "r1",
                        "direction": "ingress",
                        "ethertype": "IPv4",
                        "protocol": "tcp",
                        "port_range_min": 80,
                        "port_range_max": 80,
                        "remote_ip_prefix": None,
                        "remote_group_id": None,
                        "remote_address_group_id": "a1",
                    }
                ],
            }
        ],
        "/address-groups": [{"id": "a1", "name": "office", "addresses": ["10.0.0.7/32"]}],
        "/subnets": [{"id": "s1", "name": "private4"}],
        "/routers": [{"id": "ro1", "name": "r", "routes": [{"destination": "10.0.0.0/8", "nexthop": "10.0.0.9"}]}],
        "/ports": [{"id": "p1", "name": "", "device_id": "ro1", "fixed_ips": [{"subnet_id": "s1"}]}],
    }

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, Any]] = []

    def collection(self, path: str, _what: str, **query: Any) -> list[dict[str, Any]]:
        if (path == "/ports" and "device_owner" not in query) or query.get("name") == "default":
            return []
        return self.ROWS.get(path, [])

    def send(self, method: str, path: str, _what: str, body: Any = None) -> Any:
        self.sent.append((method, path, body))
        return {"address_group": self.ROWS["/address-groups"][0]}


def test_parts_are_called_as_the_file_does_whatever_they_speak_of() -> None:
    store = Store(Kept(), "fakevm")  # type: ignore[arg-type]
    store.load()
    rule = Ref("security group rule", "web: ingress IPv4 tcp 80-80 address group office")
    assert store.seen[rule]["parent"] == "g1"
    assert store.seen[Ref("router routes", "r")]["parent"] == "ro1"
    assert store.seen[Ref("router interface", "r-private4")]["subnet_id"] == "s1"


def test_parts_are_removed_as_neutron_wants_it_and_members_are_added_and_taken_away() -> None:
    neutron = Kept()
    store = Store(neutron, "fakevm")  # type: ignore[arg-type]
    store.load()
    store.delete(Ref("router interface", "r-private4"))
    store.delete(Ref("router routes", "r"))
    store.delete(Ref("security group rule", "web: ingress IPv4 tcp 80-80 address group office"))
    group = Resource(Ref("address group", "office"), {})
    store.change(group, {"addresses": ["10.0.0.8/32"]})
    assert neutron.sent == [
        ("PUT", "/routers/ro1/remove_router_interface", {"subnet_id": "s1"}),
        ("PUT", "/routers/ro1", {"router": {"routes": []}}),
        ("DELETE", "/security-group-rules/r1", None),
        ("GET", "/address-groups/a1", None),
        ("PUT", "/address-groups/a1/add_addresses", {"addresses": ["10.0.0.8/32"]}),
        ("PUT", "/address-groups/a1/remove_addresses", {"addresses": ["10.0.0.7/32"]}),
    ]


class Together:
    """Neutron's API, which answers requests for many."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, Any]] = []

    def collection(self, _path: str, _what: str, **_query: Any) -> list[dict[str, Any]]:
        return []

    def send(self, method: str, path: str, _what: str, body: Any = None) -> Any:
        self.sent.append((method, path, body))
        if path == "/security-groups":
            return {"security_group": {"id": "g1", "name": "web", "security_group_rules": []}}
        if path == "/security-group-rules":
            if "security_group_rule" in body:
                return {"security_group_rule": {**body["security_group_rule"], "id": "r9"}}
            rules = enumerate(body["security_group_rules"])
            return {"security_group_rules": [{**rule, "id": f"r{n}"} for n, rule in rules]}
        return {}


def test_rules_of_a_group_are_made_in_one_request() -> None:
    api = Together()
    store = Store(api, "fakevm")  # type: ignore[arg-type]
    rules = "{rules: [{protocol: tcp, ports: 80}, {protocol: udp}]}"
    wanted = stages(lab(f"security_groups: {{web: {rules}}}"))
    assert [making.make_stage(store, stage.resources) for stage in wanted] == [1, 4]
    assert [path for _, path, _ in api.sent] == [
        "/security-groups",
        "/security-groups/g1/tags",
        "/security-group-rules",
    ]
    assert len(api.sent[-1][2]["security_group_rules"]) == 4
    assert {ref.name for ref, seen in store.seen.items() if seen.get("parent") == "g1"} == {
        resource.ref.name for resource in wanted[1].resources
    }
    # One that is there is not made again, and one that is missing by itself as before.
    del store.seen[wanted[1].resources[0].ref]
    assert making.make_stage(store, wanted[1].resources) == 1


class Generous(Together):
    """Neutron's API, which gives every new group the two rules that let everything out."""

    def send(self, method: str, path: str, what: str, body: Any = None) -> Any:
        answer = super().send(method, path, what, body)
        if path == "/security-groups":
            common = {"direction": "egress", "protocol": None, "port_range_min": None, "port_range_max": None}
            own = [{"id": f"own-{family}", "ethertype": family, **common} for family in ("IPv4", "IPv6")]
            answer["security_group"]["security_group_rules"] = own
        return answer


@pytest.mark.parametrize(("all_egress", "deleted"), [("true", []), ("false", ["own-IPv4", "own-IPv6"])])
def test_rules_that_neutron_gives_a_new_group_are_deleted_if_the_file_wants_none(
    all_egress: str, deleted: list[str]
) -> None:
    api = Generous()
    store = Store(api, "fakevm")  # type: ignore[arg-type]
    wanted = stages(lab(f"security_groups: {{web: {{all_egress: {all_egress}, rules: [{{protocol: udp}}]}}}}"))
    for stage in wanted:
        making.make_stage(store, stage.resources)
        store.delete_unwanted({resource.ref for stage in wanted for resource in stage.resources})
    gone = [path.rpartition("/")[2] for method, path, _ in api.sent if method == "DELETE"]
    assert sorted(gone) == deleted
    rules = {ref for ref in store.seen if ref.kind == "security group rule"}
    assert rules == {resource.ref for resource in wanted[1].resources}


class Refusing:
    """Neutron's API without address groups."""

    def send(self, _method: str, _path: str, what: str, _body: Any = None) -> Any:
        raise NotFound(f"cannot {what}: the resource could not be found")

    def collection(self, path: str, _what: str, **query: Any) -> list[dict[str, Any]]:
        if path == "/extensions":
            return [{"alias": "security-group"}]
        assert query == {"description": TAG}
        raise NotFound("the resource could not be found")


def test_what_an_api_does_not_have_is_said() -> None:
    store = Store(Refusing(), "fakevm")  # type: ignore[arg-type]
    assert store._marked(KINDS["address group"]) == []
    with pytest.raises(Refused, match="cannot make address group x: the lab's Neutron has no address groups") as caught:
        store.make(Resource(Ref("address group", "x"), {}))
    assert "address-group" in caught.value.hint


def test_routers_are_scheduled_by_zones_where_there_are_some() -> None:
    for zone in ("west", ""):
        hosts = f"hosts: {{host1: {{roles: [l3], zone: {zone or 'null'}}}}}"
        plan = planning.make_plan(reading.parse(hosts, "f"), Path("/x"), {"29.0.0": Path("/v")}, kernel_datapath=False)
        told = neutron.server_settings(plan, OvsBackend())["DEFAULT"].get("router_scheduler_driver", "")
        assert str(told).endswith("AZLeastRoutersScheduler") == bool(zone)
        assert plan.hosts[0].zone == zone
