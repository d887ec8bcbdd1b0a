"""Ports without a guest, what floating IPs lead to, and options that DHCP gives one port."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fakevm.backend.ovn import OvnBackend
from fakevm.backend.ovs import OvsBackend
from fakevm.errors import InvalidInput, Refused
from fakevm.lab import export, planning, reading
from fakevm.lab.apply.difference import difference
from fakevm.lab.apply.drift import drift
from fakevm.lab.features import need, reduction
from fakevm.lab.place import Places
from fakevm.lab.problem import InvalidFile
from fakevm.lab.services import loading
from fakevm.lab.settle.settling import settle
from fakevm.lab.topology.description import resources, stages
from fakevm.lab.topology.kinds import KINDS
from fakevm.lab.topology.store import Store
from fakevm.model.labfile import LabFile
from fakevm.model.labfile.dhcp_option import forgetting
from fakevm.model.resource import AddressOf, Ref, Resource, known, refs, resolved
from fakevm.probe.base import Run
from fakevm.probe.lease import LeaseProbe

FILE = """\
physical_networks: {external: {}}
hosts: {compute1: {}, network1: {roles: [dhcp, l3]}}
networks:
  public: {type: flat, physical_network: external, external: true, subnets: {public4: {cidr: 203.0.113.0/24}}}
  private: {subnets: {private4: {cidr: 10.0.0.0/24}}}
routers: {router1: {interfaces: [private4], external_gateway: public}}
ports:
  vip: {network: private, fixed_ips: [10.0.0.100]}
  spare: private
guests:
  a: {ports: [{network: private, allowed_address_pairs: [vip, spare, 10.9.0.0/16]}]}
  b: {ports: [{network: private, fixed_ips: [10.0.0.11, 10.0.0.12]}]}
floating_ips:
  to-vip: {network: public, port: vip}
  to-b: {network: public, guest: b, fixed_ip: 10.0.0.12}
  shared:
    network: public
    port_forwardings:
      - {ports: 2022, guest: a, to_ports: 22}
      - {protocol: udp, ports: 5000-5009, guest: a, to_ports: 6000-6009}
checks:
  x: {kind: ping, from: a, to: vip}
  y: {kind: tcp, from: client, to: shared, port: 2022}
"""
# Of a routed network.
ROUTED = (
    "{segments: {one: {type: vlan, segment: 5}, two: {type: vlan, segment: 6}}, "
    "subnets: {private4: {cidr: 10.0.0.0/24, segment: one}}}"
)


def lab(text: str = FILE) -> LabFile:
    return reading.parse(text, "file")


def made(file: LabFile) -> dict[str, dict[str, Any]]:
    return {str(resource.ref): resource.attributes for resource in resources(file)}


def steps(old: str, new: str) -> list[tuple[str, str, str]]:
    todo = difference(lab(old), lab(new), {"a": "compute1", "b": "compute1"})
    return [(step.action, step.kind, step.name) for step in todo.steps()]


# -- ports without a guest --------------------------------------------------------------------------------------


def test_a_port_without_a_guest_is_nobodys_and_guests_may_have_its_address() -> None:
    found = made(lab())
    assert found["port vip"] == {"network_id": Ref("network", "private"), "fixed_ips": [{"ip_address": "10.0.0.100"}]}
    assert found["port a"]["allowed_address_pairs"] == [
        {"ip_address": "10.0.0.100"},
        {"ip_address": AddressOf(Ref("port", "spare"))},
        {"ip_address": "10.9.0.0/16"},
    ]
    assert found["floating IP to-vip"]["port_id"] == Ref("port", "vip")
    assert found["floating IP to-b"]["fixed_ip_address"] == "10.0.0.12"
    titles = [[str(resource.ref) for resource in stage.resources] for stage in stages(lab()) if stage.title == "ports"]
    assert titles == [["port vip", "port spare", "port b"], ["port a"]]


def test_an_address_that_neutron_chose_is_put_in_the_place_of_its_port() -> None:
    port = Ref("port", "spare")
    seen = {port: {"id": "1", "fixed_ips": [{"ip_address": "fd00::9"}, {"ip_address": "10.0.0.9"}]}}
    pair = {"ip_address": AddressOf(port)}
    assert resolved([pair], known(seen)) == [{"ip_address": "10.0.0.9"}]
    assert list(refs([pair])) == [port]
    (guest,) = [resource for resource in resources(lab()) if resource.ref == Ref("port", "a")]
    found = {"id": "2", "name": "a", "allowed_address_pairs": [{"ip_address": "10.0.0.8", "mac_address": "m"}]}
    (drifted,) = [d for d in drift([guest], {**seen, guest.ref: found}, {}, {}) if d.attribute.startswith("allowed")]
    assert drifted.wanted[1] == {"ip_address": "10.0.0.9"}


@pytest.mark.parametrize(
    ("network", "port", "is_fine"),
    [
        ("{}", "private", False),
        ("{subnets: {private4: {cidr: 10.0.0.0/24}}}", "private", True),
        (ROUTED, "private", False),
        (ROUTED, "{network: private, fixed_ips: [10.0.0.9]}", True),
    ],
)
def test_a_port_that_neutron_gives_no_address_has_none_to_share(network: str, port: str, is_fine: bool) -> None:
    text = (
        f"{{physical_networks: {{one: {{}}, two: {{}}}}, networks: {{private: {network}}}, ports: {{vip: {port}}}, "
        "guests: {a: {host: compute1, ports: [{network: private, allowed_address_pairs: [vip]}]}}, "
        "hosts: {compute1: {physical_networks: [one], roles: [compute, dhcp]}, compute2: {physical_networks: [two]}}}"
    )
    if is_fine:
        settle(lab(text), kernel_datapath=False)
        return
    with pytest.raises(InvalidFile, match="the port 'vip' has no address that could be shared"):
        settle(lab(text), kernel_datapath=False)


def test_an_address_that_neutron_gave_nobody_is_an_error_that_says_so() -> None:
    store = Store(None, "fakevm")  # type: ignore[arg-type]
    port = Ref("port", "vip")
    store.seen = {port: {"id": "1", "fixed_ips": []}, Ref("floating IP", "shared"): {"id": "2"}}
    wanted = {"internal_port_id": port, "internal_ip_address": AddressOf(port)}
    forwarding = Resource(Ref("port forwarding", "shared: tcp 22"), wanted, parent=Ref("floating IP", "shared"))
    with pytest.raises(Refused, match="cannot make port forwarding shared: tcp 22: Neutron gave the port vip no addr"):
        store.make(forwarding)


def test_another_address_is_made_in_place_where_it_can_be() -> None:
    other = FILE.replace("10.0.0.100", "10.0.0.101")
    assert steps(FILE, other) == [
        ("replace", "floating IP", "to-vip"),
        ("replace", "port", "vip"),
        ("change", "port", "a"),
    ]
    assert steps(FILE, FILE.replace("fixed_ip: 10.0.0.12", "fixed_ip: 10.0.0.11")) == [
        ("change", "floating IP", "to-b")
    ]
    assert KINDS["floating IP"].beside == {"fixed_ip_address": "port_id"}
    assert ("replace", "floating IP", "to-b") in steps(FILE, FILE.replace(", guest: b, fixed_ip: 10.0.0.12", ""))


def test_what_is_left_out_takes_along_what_leads_to_it() -> None:
    text = FILE.replace("private: {subnets", "private: {type: vxlan, subnets")
    left = reduction.without(lab(text), {"tunnels": "has none"}).lab
    assert (dict(left.ports), left.floating_ips.keys()) == ({}, {"shared"})
    assert left.floating_ips["shared"].port_forwardings == ()
    assert "tunnels" in need.of_check(lab(text), lab(text).checks["x"])
    assert {"tunnels", "floating-ips"} <= need.of_check(lab(text), lab(text).checks["y"])
    assert "routers" not in need.of_check(lab(), lab().checks["x"])


@pytest.mark.parametrize(
    ("written", "instead", "words"),
    [
        ("fixed_ips: [10.0.0.100]", "fixed_ips: [10.0.1.100]", "10.0.1.100 is in no subnet of the network 'private'"),
        ("[vip, spare", "[vpi, spare", "there is no port 'vpi'. Did you mean 'vip'?"),
        ("port: vip}", "port: vpi}", "there is no network or port 'vpi'"),
        ("port: vip}", "fixed_ip: 10.0.0.9}", "give a guest or a port"),
        ("{ports: 2022, guest: a, to_ports: 22}", "{ports: 2022}", "give the guest, or the port, that it leads to"),
        ("to_ports: 22}", "to_ports: 22-23}", "to_ports must be as many as ports, or one"),
        ("ports: 5000-5009", "ports: 5009-5000", "the first port must not be above the last"),
        ("  shared:\n    network: public", "  shared:\n    network: public\n    guest: b", "not both"),
    ],
)
def test_mistakes_are_told(written: str, instead: str, words: str) -> None:
    assert written in FILE
    with pytest.raises(InvalidInput) as caught:
        lab(FILE.replace(written, instead, 1))
    assert words in str(caught.value)


@pytest.mark.parametrize(("name", "other"), [("a", "guest"), ("to-b", "floating IP"), ("client", "client")])
def test_what_a_check_can_go_to_has_a_name_of_its_own(name: str, other: str) -> None:
    with pytest.raises(InvalidFile, match=f"{name!r} is also the name of a {other}"):
        settle(
            lab(FILE.replace("  spare: private", f"  {name}: private").replace("spare, ", "")), kernel_datapath=False
        )


# -- subnet pools -----------------------------------------------------------------------------------------------

POOLS = """\
address_scopes: {here: {}}
subnet_pools: {near: {prefixes: [10.0.0.0/8], scope: here}}
networks: {private: {subnets: {private4: {cidr: 10.0.0.0/24, pool: near}}}}
"""


def test_a_pool_goes_before_another_one_takes_its_place_in_their_scope() -> None:
    assert steps(POOLS, POOLS.replace("near", "other")) == [
        ("replace", "subnet", "private4"),
        ("remove", "subnet pool", "near"),
        ("make", "subnet pool", "other"),
    ]
    left = "\n".join(POOLS.replace(", scope: here", "").splitlines()[1:])
    assert steps(POOLS, left) == [("change", "subnet pool", "near"), ("remove", "address scope", "here")]


def test_prefixes_are_told_as_neutron_keeps_them() -> None:
    # "lab diff" would find others otherwise, for good.
    for written, kept in (
        ("[10.0.0.128/25, 10.0.0.0/25]", ["10.0.0.0/24"]),
        ("[10.0.0.0/8, 10.1.0.0/16]", ["10.0.0.0/8"]),
        ("['fd00:1::/32', 'fd00::/32']", ["fd00::/31"]),
        ("[10.9.0.0/16, 10.1.0.0/16]", ["10.1.0.0/16", "10.9.0.0/16"]),
    ):
        assert made(lab(f"subnet_pools: {{p: {{prefixes: {written}}}}}"))["subnet pool p"] == {"prefixes": kept}


# -- port forwardings -------------------------------------------------------------------------------------------


def test_a_forwarding_is_a_part_of_its_floating_ip_and_brings_its_service() -> None:
    found = made(lab())
    assert found["port forwarding shared: tcp 2022"] == {
        "protocol": "tcp",
        "external_port_range": "2022:2022",
        "internal_port_range": "22:22",
        "internal_port_id": Ref("port", "a"),
        "internal_ip_address": AddressOf(Ref("port", "a")),
    }
    assert found["port forwarding shared: udp 5000-5009"]["internal_port_range"] == "6000:6009"
    assert [service.name for service in loading.of(lab())] == ["port_forwarding"]
    plan = planning.make_plan(planning.completed(lab(), OvsBackend()), *_nowhere(), kernel_datapath=False)
    assert "port_forwarding" in plan.service_plugins
    without = FILE.partition("    port_forwardings:")[0]
    assert loading.of(lab(without)) == ()
    assert [service.name for service in loading.of(lab(FILE + "services: [port_forwarding, dns]\n"))] == [
        "port_forwarding",
        "dns",
    ]


def _nowhere() -> tuple[Any, Any]:
    from collections import defaultdict
    from pathlib import Path

    return Path(), defaultdict(Path)


def test_a_forwarding_is_changed_in_place_and_its_outer_ports_are_its_name() -> None:
    assert steps(FILE, FILE.replace("to_ports: 22}", "to_ports: 23}")) == [
        ("change", "port forwarding", "shared: tcp 2022")
    ]
    assert steps(FILE, FILE.replace("guest: a, to_ports: 22", "guest: b, to_ports: 22")) == [
        ("change", "port forwarding", "shared: tcp 2022")
    ]
    # Neutron takes any two ranges of a protocol for the same when one is changed.
    assert steps(FILE, FILE.replace("to_ports: 6000-6009", "to_ports: 7000-7009")) == [
        ("replace", "port forwarding", "shared: udp 5000-5009")
    ]
    assert steps(FILE, FILE.replace("ports: 2022", "ports: 2023")) == [
        ("remove", "port forwarding", "shared: tcp 2022"),
        ("make", "port forwarding", "shared: tcp 2023"),
    ]


def test_forwardings_are_found_where_neutron_tells_of_them() -> None:
    where = KINDS["port forwarding"].elsewhere
    assert where and where.of_each
    rows = [
        {"parent": "1", "protocol": "tcp", "external_port_range": "2022:2022", "id": "5"},
        {"parent": "2", "protocol": "udp", "external_port_range": "7:8", "id": "6"},
    ]
    assert [name for name, _ in where.read(rows, {"1": "shared"})] == ["shared: tcp 2022"]


def test_who_listens_for_a_check_is_behind_the_forwarding() -> None:
    places = Places(None, lab())  # type: ignore[arg-type]
    assert places.forwarded("shared", "tcp", 2022) == ("a", 22)
    assert places.forwarded("shared", "udp", 5009) == ("a", 6009)
    assert places.forwarded("shared", "tcp", 5009) == ("shared", 5009)
    assert (places.guest_behind("shared"), places.guest_behind("to-b")) == (None, "b")


def test_the_exported_file_says_the_same() -> None:
    assert made(lab(export.written(lab()))) == made(lab())


# -- options of DHCP --------------------------------------------------------------------------------------------

OPTIONS = """\
networks: {private: {subnets: {private4: {cidr: 10.0.0.0/24}}}}
guests: {a: {ports: [{network: private, dhcp_options: {bootfile-name: x, 150: 10.0.0.5}, dhcpv6_options: {59: y}}]}}
"""


def test_options_are_of_a_version_and_changed_in_place() -> None:
    assert made(lab(OPTIONS))["port a"]["extra_dhcp_opts"] == [
        {"opt_name": "bootfile-name", "opt_value": "x", "ip_version": 4},
        {"opt_name": "150", "opt_value": "10.0.0.5", "ip_version": 4},
        {"opt_name": "59", "opt_value": "y", "ip_version": 6},
    ]
    todo = difference(lab(OPTIONS), lab(OPTIONS.replace("bootfile-name: x, ", "")), {"a": "compute1"})
    ((_, attributes),) = todo.changed
    assert [option["opt_name"] for option in attributes["extra_dhcp_opts"]] == ["150", "59"]
    now = made(lab(OPTIONS))["port a"]["extra_dhcp_opts"]
    gone = {"opt_name": "bootfile-name", "opt_value": None, "ip_version": 4}
    assert forgetting(now, attributes["extra_dhcp_opts"]) == [*now[1:], gone]
    assert made(lab(export.written(lab(OPTIONS)))) == made(lab(OPTIONS))


def test_an_option_that_nobody_knows_is_refused_and_one_that_ovn_lacks_is_told() -> None:
    with pytest.raises(InvalidInput, match="DHCP has no option 'bootfile'"):
        lab(OPTIONS.replace("bootfile-name", "bootfile"))
    (gap,) = OvnBackend().gaps(lab(OPTIONS.replace("bootfile-name", "root-path")), kernel_datapath=False)
    assert "no option 'root-path'" in str(gap)


def test_what_a_client_is_given_is_compared_by_neutrons_names() -> None:
    probe = LeaseProbe("eth0", 4, {"bootfile-name": "x", "tftp-server": ""}, stateless=False)
    given = {"filename": "x", "next_server": "10.0.0.5"}
    assert probe.read(_ran(given)).verdict == "passes"
    assert probe.read(_ran({**given, "tftp_server_name": "10.0.0.6"})).verdict == "unclear"
    assert probe.read(_ran({}, "no lease")).verdict == "blocked"
    assert "stateless" in LeaseProbe("eth0", 6, {}, stateless=True).command()


def _ran(gets: dict[str, str], error: str = "") -> Run:
    return Run(0, json.dumps({"gets": gets, "error": error}))


LOGGED = """
networks: {net1: {subnets: {net1-4: {cidr: 10.0.0.0/24}}}}
security_groups: {web: {}, own: {}}
guests:
  a: {ports: [{network: net1, security_groups: [GROUP]}]}
  b: {ports: [{network: net1, security_groups: [web]}]}
  c: {ports: [net1]}
packet_logs: {drops: {guest: a}}
"""


def test_ovn_logs_whole_security_groups() -> None:
    """_get_sg_port_groups of Neutron's driver for OVN (29.0.0)."""
    (gap,) = OvnBackend().gaps(lab(LOGGED.replace("GROUP", "web")), kernel_datapath=False)
    assert "the packet log 'drops' tells of b, too" in str(gap)
    assert not OvnBackend().gaps(lab(LOGGED.replace("GROUP", "own")), kernel_datapath=False)
    assert not OvnBackend().gaps(lab(LOGGED.replace("{guest: a}", "{}").replace("GROUP", "web")), kernel_datapath=False)


SHUT_IN = """
networks: {net1: {subnets: {net1-4: {cidr: 10.0.0.0/24}}}}
security_groups: {shut: {all_egress: false, rules: [RULE]}}
guests: {a: {ports: [{network: net1, security_groups: [shut], addressing: HOW}]}}
"""


@pytest.mark.parametrize(
    ("rule", "how", "told"),
    [
        ("{protocol: udp}", "auto", True),
        ("{protocol: tcp, direction: egress}", "dhcp", True),
        ("{protocol: tcp, direction: egress}", "static", False),
        ("{protocol: udp, direction: egress, ports: 67}", "auto", False),
        ("{direction: egress, ethertype: IPv6}", "auto", True),
        ("{direction: egress}", "auto", False),
    ],
)
def test_ovn_filters_what_guests_ask_dhcp(rule: str, how: str, told: bool) -> None:
    gaps = OvnBackend().gaps(lab(SHUT_IN.replace("RULE", rule).replace("HOW", how)), kernel_datapath=False)
    assert [gap for gap in gaps if "DHCP does not answer 'a'" in str(gap)] == list(gaps)
    assert bool(gaps) == told


@pytest.mark.parametrize(("groups", "told"), [("security_groups: []", True), ("port_security: false", False)])
def test_a_port_without_groups_is_filtered_and_one_without_port_security_is_not(groups: str, told: bool) -> None:
    text = SHUT_IN.replace("security_groups: [shut]", groups).replace("HOW", "dhcp").replace("RULE", "")
    gaps = OvnBackend().gaps(lab(text), kernel_datapath=False)
    assert bool(gaps) == told
