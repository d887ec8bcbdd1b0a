"""Rules of QoS policies: what Neutron is told, what changes in place, what a backend lacks, what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fakevm.lab import reading
from fakevm.lab.apply.difference import difference
from fakevm.lab.checks.attempt import Attempts
from fakevm.lab.features import need
from fakevm.lab.features.reduction import without
from fakevm.lab.problem import InvalidFile
from fakevm.lab.settle.settling import settle
from fakevm.lab.topology.description import resources
from fakevm.lab.topology.kinds import KINDS
from fakevm.lab.topology.store import Store
from fakevm.model.labfile import LabFile
from fakevm.model.labfile.check import DscpCheck, PacketsCheck
from fakevm.model.resource import Ref, Resource
from fakevm.probe.base import Run
from fakevm.probe.stream import MarkProbe, RateProbe, Stream

LAB = """\
physical_networks: {out: {}}
networks:
  public: {type: flat, physical_network: out, external: true, subnets: {p: {cidr: 203.0.113.0/24}}}
  n: {subnets: {s: {cidr: 10.0.0.0/24}}}
routers: {r: {interfaces: [s], external_gateway: {network: public, qos_policy: q}}}
qos_policies:
  q:
    bandwidth_limits: [{rate: 10 Mbit/s}]
    packet_rate_limits: [{direction: ingress, rate: 2000 pps}]
    dscp_mark: 26
    minimum_bandwidths: [{rate: 5000}]
    minimum_packet_rates: [{direction: any, rate: 1}]
guests: {vm1: {ports: [{network: n, qos_policy: q}]}, vm2: {ports: [n]}}
floating_ips: {f: {network: public, guest: vm1, qos_policy: q}}
checks:
  mark: {kind: dscp, from: vm1, to: vm2, mark: 26}
  rate: {kind: packets, from: vm1, to: vm2, rate: 2 kpps, seconds: 3}
  out: {kind: bandwidth, from: client, to: f, rate: 10 Mbit/s}
"""


def read(text: str = LAB) -> LabFile:
    return reading.parse(text, "file")


def rules(lab: LabFile) -> dict[str, dict[str, Any]]:
    return {str(r.ref): r.attributes for r in resources(lab) if r.parent == Ref("QoS policy", "q")}


def test_all_rules_are_told_to_neutron() -> None:
    assert rules(read()) == {
        "bandwidth limit q: egress": {"direction": "egress", "max_kbps": 10000, "max_burst_kbps": 0},
        "packet rate limit q: ingress": {"direction": "ingress", "max_kpps": 2, "max_burst_kpps": 0},
        "DSCP mark q": {"dscp_mark": 26},
        "minimum bandwidth q: egress": {"direction": "egress", "min_kbps": 5000},
        "minimum packet rate q: any": {"direction": "any", "min_kpps": 1},
    }
    assert KINDS["DSCP mark"].path == "/qos/policies/{parent}/dscp_marking_rules"
    assert KINDS["minimum packet rate"].key == "minimum_packet_rate_rule"


def test_they_are_found_again_in_what_neutron_tells_of_the_policy() -> None:
    seen = {
        "rules": [
            {"type": "bandwidth_limit", "direction": "egress", "id": "1"},
            {"type": "dscp_marking", "id": "2"},
            {"type": "minimum_packet_rate", "direction": "any", "id": "3"},
            {"type": "of_tomorrow", "id": "4"},
        ]
    }
    found = [str(ref) for ref, _ in KINDS["QoS policy"].parts("q", seen, Ref)]
    assert found == ["bandwidth limit q: egress", "DSCP mark q", "minimum packet rate q: any"]


def test_rates_and_marks_change_in_place() -> None:
    new = read(LAB.replace("dscp_mark: 26", "dscp_mark: 10").replace("2000 pps", "3 kpps"))
    where = {"vm1": "compute1", "vm2": "compute2"}
    steps = [(step.action, step.kind) for step in difference(read(), new, where).steps()]
    assert steps == [("change", "packet rate limit"), ("change", "DSCP mark")]


def test_floating_ips_and_gateways_have_policies_and_need_a_service() -> None:
    lab, policy = read(), Ref("QoS policy", "q")
    found = {r.ref.kind: r.attributes for r in resources(lab)}
    assert found["router"]["external_gateway_info"]["qos_policy_id"] == policy
    assert found["floating IP"]["qos_policy_id"] == policy
    assert lab.needed_services == ("router_qos",)


class Told:
    """A Neutron that remembers what it is told."""

    def __init__(self) -> None:
        self.body: dict[str, Any] = {}

    def send(self, _method: str, _path: str, _what: str, body: Any) -> dict[str, Any]:
        self.body = body
        return dict(body)


def test_a_gateway_is_told_that_it_has_no_policy_any_more() -> None:
    neutron = Told()
    store = Store(neutron, "fakevm")  # type: ignore[arg-type]
    router = Ref("router", "r")
    store.seen[router] = {"id": "1", "external_gateway_info": {"network_id": "n", "qos_policy_id": "p"}}
    store.change(Resource(router, {}), {"external_gateway_info": {"network_id": "n"}})
    assert neutron.body == {"router": {"external_gateway_info": {"network_id": "n", "qos_policy_id": None}}}
    store.seen[router]["external_gateway_info"].pop("qos_policy_id")
    store.change(Resource(router, {}), {"external_gateway_info": {"network_id": "n"}})
    assert neutron.body == {"router": {"external_gateway_info": {"network_id": "n"}}}


def test_what_a_backend_lacks_is_left_out_of_policies_by_itself() -> None:
    reduced = without(read(), ["packet-rates", "dscp", "qos-of-routers"])
    assert list(rules(reduced.lab)) == ["bandwidth limit q: egress", "minimum bandwidth q: egress"]
    assert reduced.lab.needed_services == ()
    assert reduced.left_out == {
        "dscp": ["DSCP mark of QoS policy q"],
        "packet-rates": ["packet rate limit of QoS policy q", "minimum packet rate of QoS policy q"],
        "qos-of-routers": ["QoS policy of router r", "QoS policy of floating IP f"],
    }


def test_checks_need_what_they_look_for() -> None:
    lab = read()
    assert need.of_check(lab, lab.checks["mark"]) == {"qos", "dscp"}
    assert need.of_check(lab, lab.checks["rate"]) == {"qos", "packet-rates"}
    assert need.of_check(lab, lab.checks["out"]) >= {"qos", "qos-of-routers", "floating-ips"}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("dscp_mark: 26", "dscp_mark: 27", "Neutron marks with one of 0, 8, 10"),
        ("rate: 5000", "rate: 20000", "the least is more than the limit of 10000 kbit/s"),
        ("rate: 2000 pps", "rate: 2500 pps", "whole thousands of packets a second"),
        ("rate: 2000 pps", "rate: many", "thousands of packets a second, such as 2 kpps"),
        ("direction: any, rate: 1}", "direction: any, rate: 1}, {rate: 1}", "only without `ingress` and `egress`"),
        ("{rate: 5000}", "{rate: 5000}, {rate: 1}", "is there more than once"),
    ],
)
def test_what_neutron_refuses_is_told(old: str, new: str, said: str) -> None:
    with pytest.raises(InvalidFile, match=said):
        settle(read(LAB.replace(old, new)), kernel_datapath=False)


def told(**taken: Any) -> list[str]:
    return [json.dumps({"taken": 20, **taken})]


def test_a_receiver_tells_marks_and_rates() -> None:
    stream, sent = Stream("10.0.0.2", 1, 20, 0.01), Run(0, '{"sent": 20}')
    mark, rate = MarkProbe(stream, 26), RateProbe(stream, 2000, 10)
    for marks, verdict in (([26], "passes"), ([0, 26], "unclear"), ([], "unclear")):
        mark.told = told(marks=marks)
        assert mark.read(sent).verdict == verdict
    for seen, verdict in ((2100.0, "passes"), (4000.0, "unclear"), (0.0, "unclear")):
        rate.told = told(rate=seen)
        assert rate.read(sent).verdict == verdict
    mark.told = told(taken=0)
    assert mark.read(sent).verdict == "blocked"


def test_twice_as_many_are_sent_as_may_pass() -> None:
    check = read().checks["rate"]
    assert isinstance(check, PacketsCheck)
    assert (check.count, check.interval) == (12000, 0.00025)
    attempt = Attempts.__dict__["_attempt"].dispatcher
    for kind in (DscpCheck, PacketsCheck):
        assert attempt.dispatch(kind) is not attempt.dispatch(object)
