"""What a check needs of a backend, what is left of a lab without it, and the variants of a lab file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from fakevm.backend import base as backends
from fakevm.backend.ovs import OvsBackend
from fakevm.cli import check_matrix
from fakevm.errors import InvalidInput, NotFound
from fakevm.lab import matrix, reading
from fakevm.lab.checks import running
from fakevm.lab.features import need, reduction
from fakevm.model.check import CheckResult, Status
from fakevm.model.feature import FEATURES, Feature
from fakevm.model.labfile import LabFile

FILE = """
hosts:
  compute1: {roles: [compute, dhcp, l3, metadata]}
  compute2: {}
networks:
  private: {qos_policy: slow, subnets: {private4: {cidr: 10.0.0.0/24}}}
  tagged: {type: vlan, physical_network: physnet1, subnets: {tagged4: {cidr: 10.1.0.0/24}}}
  tunnelled: {type: vxlan, subnets: {tunnelled4: {cidr: 10.2.0.0/24, dhcp: false}}}
  public: {type: flat, physical_network: physnet1, external: true, subnets: {public4: {cidr: 203.0.113.0/24}}}
routers:
  r: {interfaces: [private4, tagged4], external_gateway: public}
security_groups: {web: {}}
qos_policies: {slow: {bandwidth_limits: [{rate: 10 Mbit/s}]}}
guests:
  a: {ports: [private]}
  b: {ports: [{network: private, security_groups: [web]}]}
  t: {ports: [{network: tagged, addressing: dhcp}]}
  x: {ports: [tunnelled]}
  k: {ports: [{network: tunnelled, trunk: [{network: tagged, vlan: 5}]}]}
floating_ips:
  f: {network: public, guest: a}
checks:
"""
LAB = reading.parse(f"{FILE.removesuffix('checks:' + chr(10))}", "test")


def with_check(words: str) -> LabFile:
    return reading.parse(f"{FILE}  it: {{{words}}}\n", "test")


@pytest.mark.parametrize(
    ("words", "needed"),
    [
        ("kind: ping, from: a, to: b", set()),
        ("kind: tcp, port: 81, from: a, to: b, expect: blocked", {"security-groups"}),
        ("kind: mtu, size: 1450, from: a, to: b, expect: blocked", set()),
        ("kind: ping, from: a, to: x, expect: blocked", {"routers", "tunnels"}),
        ("kind: ping, from: x, to: b, expect: blocked", {"routers", "tunnels", "security-groups"}),
        ("kind: ping, from: x, to: b, expect: blocked, needs: []", {"tunnels"}),
        # Somebody who is in no network of the file is apart from others for no address scope of it.
        ("kind: ping, from: client, to: a, expect: blocked", {"routers", "flat"}),
        ("kind: ping, from: a, to: b, needs: [qos]", {"qos"}),
        ("kind: ping, from: a, to: t", {"routers", "vlan"}),
        ("kind: ping, from: a, to: k", {"routers", "vlan", "tunnels", "trunks"}),
        ("kind: ping, from: a, to: client", {"routers", "flat"}),
        ("kind: ping, from: client, to: f", {"routers", "flat", "floating-ips"}),
        ("kind: ping, from: a, to: 10.0.0.9", set()),
        ("kind: ping, from: a, to: 10.1.0.9", {"routers"}),
        ("kind: http, from: a, to: 169.254.169.254", {"metadata"}),
        ("kind: command, from: a, run: curl http://169.254.169.254/", {"metadata"}),
        ("kind: command, from: compute1, run: ip link", set()),
        ("kind: dhcp, from: a", {"dhcp"}),
        ("kind: dns, from: a, name: b", {"dhcp", "dns"}),
        ("kind: dns, from: a, name: b, server: 10.0.0.2", {"dhcp", "dns"}),
        ("kind: dns, from: a, name: b, server: 192.0.2.53", set()),
        ("kind: bandwidth, from: a, to: b, rate: 10 Mbit/s", {"qos"}),
        ("kind: bandwidth, from: x, to: x, rate: 10 Mbit/s", {"tunnels"}),
        ("kind: migrate, from: a, to: b", {"live-migration"}),
        ("kind: migrate, from: a, to: b, way: cold", set()),
    ],
)
def test_what_a_check_needs(words: str, needed: set[str]) -> None:
    lab = with_check(words)
    assert need.of_check(lab, lab.checks["it"]) == needed


def test_a_check_of_address_scopes_needs_them() -> None:
    apart = """
address_scopes: {here: {}, there: {}}
subnet_pools: {near: {prefixes: [10.0.0.0/16], scope: here}, far: {prefixes: [10.1.0.0/16], scope: SCOPE}}
networks:
  one: {subnets: {one4: {cidr: 10.0.0.0/24, pool: near}}}
  two: {subnets: {two4: {cidr: 10.1.0.0/24, pool: far}}}
routers: {r: {interfaces: [one4, two4]}}
guests: {a: {ports: [one]}, b: {ports: [two]}}
checks: {it: {kind: ping, from: a, to: b, expect: blocked}}
"""
    for scope, needed in (("there", {"routers", "address-scopes"}), ("here", {"routers"})):
        lab = reading.parse(apart.replace("SCOPE", scope), "test")
        assert need.of_check(lab, lab.checks["it"]) == needed


def left(*lacks: Feature) -> tuple[LabFile, dict[Feature, list[str]]]:
    return reduction.without(LAB, lacks)


def test_a_backend_that_lacks_nothing_leaves_the_file_alone() -> None:
    assert left() == (LAB, {})


def test_networks_go_with_all_that_is_in_them() -> None:
    lab, left_out = left("vlan", "flat")
    assert left_out == {"vlan": ["network tagged", "guest t", "guest k"], "flat": ["network public"]}
    assert (list(lab.networks), list(lab.guests), list(lab.floating_ips)) == (
        ["private", "tunnelled"],
        ["a", "b", "x"],
        [],
    )
    assert [leg.subnet for leg in lab.routers["r"].interfaces] == ["private4"]
    assert lab.routers["r"].external_gateway is None


@pytest.mark.parametrize(
    ("feature", "named"),
    [
        ("routers", ["router r", "floating IP f"]),
        ("floating-ips", ["floating IP f"]),
        ("security-groups", ["security group web"]),
        ("qos", ["QoS policy slow"]),
        ("dhcp", ["DHCP of private4", "DHCP of tagged4", "DHCP of public4"]),
        ("trunks", ["guest k"]),
        ("tunnels", ["network tunnelled", "guest x", "guest k"]),
    ],
)
def test_what_is_left_out_is_named_and_nowhere_any_more(feature: Feature, named: list[str]) -> None:
    lab, left_out = left(feature)
    assert left_out == {feature: named}
    words = lab.model_dump_json(exclude={"checks"})
    gone = [name.split()[-1] for name in named if not name.startswith("DHCP")]
    assert not [name for name in gone if f'"{name}"' in words]


def test_without_dhcp_guests_have_static_addresses() -> None:
    lab, _ = left("dhcp")
    assert not any(subnet.dhcp for subnet in lab.subnets.values())
    assert lab.guests["t"].ports[0].addressing == "auto"


def test_a_check_keeps_what_it_needed_when_that_is_gone() -> None:
    lab, _ = reduction.without(with_check("kind: ping, from: x, to: t, expect: blocked"), FEATURES)
    assert list(lab.guests) == ["a", "b"]
    assert need.of_check(lab, lab.checks["it"]) == {"routers", "tunnels", "vlan"}


# -- skipping --------------------------------------------------------------------------------------------------


class Poor(OvsBackend):
    """Has no filter, and needs a Neutron of old."""

    lacks = {"security-groups": "nothing filters"}

    def runs_on(self, version: str) -> bool:
        return version.startswith("25.")


@pytest.fixture
def poor(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    found = {"ovs": OvsBackend(), "poor": Poor()}
    load = backends.load
    monkeypatch.setattr(backends, "load", lambda name: found.get(name) or load(name))
    yield


@pytest.mark.usefixtures("poor")
def test_what_a_backend_lacks_is_skipped_with_the_reason_also_inverted() -> None:
    lab = with_check("kind: tcp, port: 81, from: a, to: b, expect: blocked")
    for checks in (lab.checks, running.inverted(lab.checks)):
        assert running.skipped("ovs", lab, checks) == []
        (result,) = running.skipped("poor", lab, checks)
        assert (result.status, result.lacks) == ("skipped", "security-groups")
        assert result.seen == "poor lacks security-groups: nothing filters"


# -- variants --------------------------------------------------------------------------------------------------


def titles(file: str, *axes: str) -> list[str]:
    found = matrix.variants(reading.parse(file, "test"), matrix.axes(axes))
    return [variant.title + (": " + variant.refused if variant.refused else "") for variant in found]


@pytest.mark.usefixtures("poor")
def test_variants() -> None:
    assert titles("", "backend=ovs,poor,ovs") == ["ovs 29.0.0", "poor 25.2.3"]
    assert titles("", "release=2025.1,29.0.0") == ["ovs 26.0.6", "ovs 29.0.0"]
    assert titles("", "backend=poor", "release=2024.2,2026.2") == [
        "poor 25.2.3",
        "poor 29.0.0: the backend poor does not run with Neutron 29.0.0 (2026.2)"
        " Releases that it runs with: 25.2.3 (2024.2).",
    ]
    assert titles("release: 2026.2", "backend=poor")[0].startswith("poor 29.0.0: the backend poor does not run")


def test_words_that_are_no_matrix() -> None:
    with pytest.raises(InvalidInput, match="Did you mean 'backend'"):
        matrix.axes(["backends=ovs"])
    with pytest.raises(InvalidInput, match="which ones"):
        matrix.axes(["backend="])
    with pytest.raises(NotFound, match="there is no backend 'ovz'"):
        titles("", "backend=ovs,ovz")
    with pytest.raises(NotFound, match=r"does not ship Neutron 2019\.1"):
        titles("", "release=2019.1")


def test_a_variant_is_a_lab_of_its_own() -> None:
    lab = reading.parse("name: a-name-as-long-as-it-may-be", "test")
    ovs, ovn = (matrix.lab_of(lab, variant) for variant in matrix.variants(lab, matrix.axes(["backend=ovs,ovn"])))
    assert (ovs.name, ovn.name) == ("a-name-as-long-as-it-ovs-29-0-0", "a-name-as-long-as-it-ovn-29-0-0")
    assert (ovn.backend, ovn.release) == ("ovn", "29.0.0")


# -- the table -------------------------------------------------------------------------------------------------


def result(name: str, status: Status, **more: Any) -> CheckResult:
    words = {"kind": "ping", "source": "a", "expect": "passes", "seen": "seen", "seconds": 1.26, "attempts": 1}
    return CheckResult(name=name, status=status, **{**words, **more})


def test_a_table_has_a_row_for_each_check_and_says_below_what_is_amiss() -> None:
    results = {
        "ovs": [result("lab up", "met"), result("one", "met"), result("two", "failed")],
        "poor": [
            result("lab up", "met"),
            result("one", "met"),
            result("two", "skipped", lacks="qos", seen="lacks qos"),
        ],
        "none": [
            result("lab up", "error", seen="no room"),
            *(result(n, "error", seen="no lab") for n in ("one", "two")),
        ],
    }
    columns, rows = check_matrix.table(results)
    assert columns == ("check", "ovs", "poor", "none")
    assert [[name, *(cell.human_readable() for cell in cells)] for name, *cells in rows] == [
        ["lab up", "met 1.3 s", "met 1.3 s", "error 1.3 s"],
        ["one", "met 1.3 s", "met 1.3 s", "error 1.3 s"],
        ["two", "failed 1.3 s", "skipped: qos", "error 1.3 s"],
    ]
    assert json.loads(json.dumps(rows[2][2].machine_readable()))["seen"] == "lacks qos"
    assert check_matrix.remarks(results) == [
        "failed: ovs: two: seen",
        "skipped: lacks qos",
        "error: none: lab up: no room",
    ]


def test_guests_with_a_link_need_no_router_to_reach_one_another() -> None:
    linked = "interfaces: {eth0: tunnelled, eth1: {addresses: [10.7.0.1/24]}}"
    text = FILE.replace("x: {ports: [tunnelled]}", f"x: {{{linked}}}")
    text = text.replace("checks:\n", "links: {l: x:eth1 -- a:eth1}\nchecks:\n")
    for words, needed in {
        "kind: ping, from: a, to: x, expect: blocked": {"tunnels"},
        "kind: ping, from: x, to: 10.7.0.2": {"tunnels"},
        "kind: ping, from: x, to: 10.6.0.2": {"routers", "tunnels"},
    }.items():
        lab = reading.parse(f"{text}  it: {{{words}}}\n", "test")
        assert need.of_check(lab, lab.checks["it"]) == needed
