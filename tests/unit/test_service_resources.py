"""Resources of Neutron's services: local IPs, NDP proxies, conntrack helpers, metering labels, packet logs."""

from __future__ import annotations

from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlsplit

import pytest

from fakevm.backend.ovn import OvnBackend
from fakevm.backend.ovs import OvsBackend
from fakevm.errors import InvalidInput
from fakevm.lab import outside, readiness, reading
from fakevm.lab.apply.difference import difference
from fakevm.lab.apply.drift import drift
from fakevm.lab.checks import records
from fakevm.lab.features import need, reduction
from fakevm.lab.place import Places
from fakevm.lab.services import loading
from fakevm.lab.settle import choices
from fakevm.lab.topology.description import resources, stages
from fakevm.lab.topology.kinds import KINDS
from fakevm.lab.topology.store import Store
from fakevm.model.labfile import LabFile
from fakevm.model.labfile.check import MeteredCheck
from fakevm.model.resource import Ref
from fakevm.probe import logged, metered

FILE = """\
physical_networks: {external: {}}
hosts: {compute1: {}, network1: {roles: [dhcp, l3]}}
address_scopes: {six: {version: 6}}
subnet_pools:
  outer: {prefixes: ['2001:db8:1::/64'], scope: six}
  inner: {prefixes: ['2001:db8:2::/64'], scope: six}
networks:
  public:
    type: flat
    physical_network: external
    external: true
    subnets: {public6: {cidr: '2001:db8:1::/64', pool: outer, dhcp: false}}
  private:
    subnets:
      private4: {cidr: 10.0.0.0/24}
      private6: {cidr: '2001:db8:2::/64', pool: inner, ipv6_ra_mode: slaac, ipv6_address_mode: slaac}
routers:
  r: {interfaces: [private4, private6], external_gateway: public, conntrack_helpers: [{helper: tftp, port: 69}]}
security_groups: {web: {}}
guests: {a: {ports: [private]}, b: {ports: [private]}}
local_ips: {l: {network: private, address: 10.0.0.200, ports: [{guest: a, fixed_ip: 10.0.0.11}]}}
ndp_proxies: {p: {router: r, guest: a}}
metering_labels: {m: {rules: [{source: 10.0.0.0/24}, {source: 10.0.0.9/32, excluded: true}]}}
packet_logs: {d: {event: drop, guest: a, security_group: web}}
checks:
  local: {kind: http, from: b, to: 10.0.0.200}
  proxied: {kind: ping, from: client, to: a, family: 6}
  counted: {kind: metered, from: a, to: client, label: m}
  logged: {kind: logged, from: b, to: a, port: 22}
"""
CHANGES = [
    (
        "helper: tftp, port: 69",
        "helper: ftp, port: 21",
        {("make", "r: ftp at tcp 21"), ("remove", "r: tftp at udp 69")},
    ),
    ("[{guest: a, fixed_ip: 10.0.0.11}]", "[]", {("remove", "l: a")}),
    ("10.0.0.200, ports", "10.0.0.201, ports", {("replace", "l"), ("replace", "l: a")}),
    ("router: r, guest: a", "router: r, guest: b", {("replace", "p")}),
    ("{p: {router: r, guest: a}}", "{}", {("remove", "p"), ("remove", "r")}),
    (", {source: 10.0.0.9/32, excluded: true}", "", {("remove", "m: egress source 10.0.0.9/32 not")}),
    ("event: drop", "event: drop, enabled: false", {("change", "d")}),
    ("event: drop", "event: all", {("replace", "d")}),
]
WRONG = [
    ("10.0.0.200", "10.9.0.200", "10.9.0.200 is no address of 'private'"),
    ("router: r, guest: a", "router: r, guest: a, fixed_ip: '2001:db8:9::1'", "2001:db8:9::1 is no address of"),
    ("pool: outer, ", "", "no way out into an IPv6 subnet that is in an address scope"),
    ("pool: inner, ", "", "is not in the external one's address scope, six"),
    ("[private4, private6]", "[private4]", "the router 'r' is in no IPv6 subnet of the network 'private'"),
    ("event: drop, guest: a", "event: drop, guest: a, port: public", "has no port in the network 'public'"),
]
UNREADABLE = [
    ("helper: tftp, port: 69", "helper: tftp, port: 69, protocol: tcp", "the helper tftp is for udp"),
    ("{source: 10.0.0.0/24}, ", "{}, ", "give a source, a destination, or both"),
    ("guest: a, fixed_ip: 10.0.0.11", "", "give the guest, or the port, that it leads to"),
    ("router: r, guest: a", "router: x, guest: a", "there is no router 'x'"),
    ("label: m", "label: x", "there is no metering label 'x'"),
]


def lab(*changes: tuple[str, str]) -> LabFile:
    text = FILE
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    return reading.parse(text, "file")


def test_they_are_told_to_neutron_and_made_after_what_they_need() -> None:
    made = {str(resource.ref): resource.attributes for resource in resources(lab())}
    assert made["local IP l"]["local_ip_address"] == "10.0.0.200"
    assert made["local IP's port l: a"] == {"fixed_port_id": Ref("port", "a"), "fixed_ip": "10.0.0.11"}
    assert made["NDP proxy p"] == {"router_id": Ref("router", "r"), "port_id": Ref("port", "a")}
    assert made["conntrack helper r: tftp at udp 69"] == {"helper": "tftp", "protocol": "udp", "port": 69}
    assert made["metering rule m: egress source 10.0.0.9/32 not"]["excluded"] is True
    assert made["packet log d"]["event"] == "DROP"
    assert made["packet log d"]["target_id"] == Ref("port", "a")
    order = [stage.title for stage in stages(lab())]
    assert order.index("router interfaces") < order.index("NDP proxies")
    assert order.index("routers that proxy") < order.index("NDP proxies")
    assert order.index("ports") < order.index("local IPs' ports")
    # Agents would forget these before they have wired the port, and prepared the router.
    assert {name for name, kind in KINDS.items() if kind.for_running_guests} == {"local IP's port", "NDP proxy"}


@pytest.mark.parametrize(("old", "new", "wanted"), CHANGES)
def test_a_change_touches_only_what_must_be(old: str, new: str, wanted: set[tuple[str, str]]) -> None:
    steps = list(difference(lab(), lab((old, new)), {"a": "compute1", "b": "compute1"}).steps())
    assert {(step.action, step.name) for step in steps} == wanted


@pytest.mark.parametrize(("old", "new", "words"), WRONG)
def test_what_neutron_would_refuse_is_told_before(old: str, new: str, words: str) -> None:
    assert any(words in remark.what for remark in choices.wrong(lab((old, new))))
    assert not list(choices.wrong(lab()))


@pytest.mark.parametrize(("old", "new", "words"), UNREADABLE)
def test_what_cannot_be_meant_is_told(old: str, new: str, words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        lab((old, new))
    assert words in str(caught.value)


def test_neutron_loads_the_services_and_backends_without_them_leave_all_out() -> None:
    needed = {"local_ip", "ndp_proxy", "conntrack_helper", "metering", "log"}
    assert needed <= {one.name for one in loading.of(lab())}
    assert not OvsBackend().lacks.keys() & {"local-ips", "ndp-proxies", "conntrack-helpers", "metering", "packet-logs"}
    left = reduction.without(lab(), OvnBackend().lacks).lab
    assert not (left.local_ips or left.ndp_proxies or left.metering_labels or left.routers["r"].conntrack_helpers)
    assert left.packet_logs
    needs = {name: need.of_check(lab(), check) for name, check in lab().checks.items()}
    assert "local-ips" in needs["local"]
    assert "ndp-proxies" in needs["proxied"]
    back = lab(("from: client, to: a, family: 6", "from: a, to: client, family: 6"))
    assert "ndp-proxies" in need.of_check(back, back.checks["proxied"])
    assert "metering" in needs["counted"]
    assert "packet-logs" in needs["logged"]


def test_what_is_for_a_guest_that_is_left_out_is_left_out() -> None:
    tunnelled = lab(("  private:\n    subnets:", "  private:\n    type: vxlan\n    subnets:"))
    left = reduction.without(tunnelled, {"tunnels": "none"}).lab
    assert not (left.guests or left.local_ips or left.ndp_proxies or left.packet_logs)


def test_the_outside_looks_for_proxied_networks_beside_it() -> None:
    plan = outside.plan(lab())
    assert plan
    assert plan.legs[0].neighbours == ("2001:db8:2::/64",)
    other = outside.plan(lab(("pool: inner, ", "")))
    assert other
    assert other.legs[0].neighbours == ()


def test_networks_beside_the_outside_come_and_go_as_far_as_its_routes_reach() -> None:
    where = {"a": "compute1", "b": "compute1"}
    nothing = ("ndp_proxies: {p: {router: r, guest: a}}\n", "")
    unproxied = [("  proxied: {kind: ping, from: client, to: a, family: 6}\n", ""), nothing]
    scopeless = ("pool: inner, ", "")
    # Nobody answers there: the outside looks for none.
    without = lab(*unproxied)
    assert outside.plan(without) == outside.plan(lab(*unproxied, scopeless))
    assert difference(lab(*unproxied, scopeless), without, where).replaced
    # It looks for no less than it did.
    assert difference(lab(), without, where).removed
    with pytest.raises(InvalidInput, match="networks that lead outside"):
        difference(lab(scopeless), lab(), where)


class Api:
    """Neutron's API, as far as it tells of parts."""

    there = True
    ROWS: ClassVar[dict[str, list[dict[str, Any]]]] = {
        "/local_ips": [{"id": "l1", "name": "l"}],
        "/local_ips/l1/port_associations": [{"fixed_port_id": "p1", "fixed_ip": "10.0.0.11"}],
        "/ports": [{"id": "p1", "name": "a"}],
        "/routers": [{"id": "r1", "name": "r", "routes": [], "enable_ndp_proxy": True, "conntrack_helpers": [{}]}],
        "/routers/r1/conntrack_helpers": [{"id": "h1", "helper": "tftp", "protocol": "udp", "port": 69}],
        "/metering/metering-labels": [{"id": "m1", "name": "m"}],
        "/metering/metering-label-rules": [
            {
                "id": "mr1",
                "metering_label_id": "m1",
                "direction": "egress",
                "source_ip_prefix": "10.0.0.9/32",
                "destination_ip_prefix": None,
                "excluded": True,
            }
        ],
    }

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, Any]] = []

    def collection(self, path: str, _what: str, **query: Any) -> list[dict[str, Any]]:
        if "device_owner" in query or query.get("name") == "default":
            return []
        return self.ROWS.get(path, [])

    def send(self, method: str, path: str, _what: str, body: Any = None) -> Any:
        self.sent.append((method, path, body))


def test_their_parts_are_found_and_removed_by_what_the_api_knows_them_by() -> None:
    api = Api()
    store = Store(api, "fakevm")  # type: ignore[arg-type]
    store.load()
    for ref in (
        Ref("local IP's port", "l: a"),
        Ref("conntrack helper", "r: tftp at udp 69"),
        Ref("NDP proxying", "r"),
        Ref("metering rule", "m: egress source 10.0.0.9/32 not"),
    ):
        store.delete(ref)
    assert api.sent == [
        ("DELETE", "/local_ips/l1/port_associations/p1", None),
        ("DELETE", "/routers/r1/conntrack_helpers/h1", None),
        ("PUT", "/routers/r1", {"router": {"enable_ndp_proxy": False}}),
        ("DELETE", "/metering/metering-label-rules/mr1", None),
    ]


def test_a_part_that_somebody_else_made_is_told() -> None:
    store = Store(Api(), "fakevm")  # type: ignore[arg-type]
    store.load()
    wanted = [r for r in resources(lab()) if r.ref.kind in ("local IP", "router", "port")]
    extra = {(found.kind, found.name) for found in drift(wanted, store.seen, {}, {}) if found.state == "extra"}
    assert ("local IP's port", "l: a") in extra
    assert ("conntrack helper", "r: tftp at udp 69") in extra


COUNTERS = """\
[0:0] -A neutron-meter-l-1a2b3c4d-5e -m comment
[7:588] -A neutron-meter-l-1a2b3c4d-5e
[9:700] -A neutron-meter-r-1a2b3c4d-5e -s 10.0.0.0/24 -j neutron-meter-l-1a2b3c4d-5e
[5:420] -A neutron-meter-l-99999999-99
[3:252] -A neutron-meter-l-1a2b3c4d-5e
"""


def test_a_label_s_own_counters_are_summed() -> None:
    assert metered.counted(COUNTERS, "1a2b3c4d-5e6f-0000-0000-000000000000") == 10
    assert metered.read("m", 10, 3, 13).verdict == "passes"
    assert metered.read("m", 10, 3, 5).verdict == "unclear"
    assert metered.read("m", 10, 3, 3).verdict == "blocked"
    # The agent has read its counters, and set them back.
    assert metered.read("m", 10, 300, 12).verdict == "passes"


def test_a_label_is_the_lab_s_own(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"id": "theirs", "name": "m", "description": ""}, {"id": "ours", "name": "m", "description": "fakevm"}]
    chains = "[0:0] -A neutron-meter-l-theirs\n[7:588] -A neutron-meter-l-ours\n"
    told = iter((chains, chains.replace("[7:", "[17:").replace("[0:", "[90:")))

    def get(_record: object, path: str) -> dict[str, Any]:
        query = dict(parse_qsl(urlsplit(path).query))
        return {"metering_labels": [row for row in rows if query.items() <= row.items()]}

    monkeypatch.setattr(readiness, "get", get)
    monkeypatch.setattr(records, "_told", lambda *_: next(told))
    monkeypatch.setattr(Places, "address", lambda *_: "198.51.100.10")
    check = lab().checks["counted"]
    assert isinstance(check, MeteredCheck)
    places = Places(None, lab())  # type: ignore[arg-type]
    assert records.of_label(places, check, lambda _probe: None).words == "m counted 10 packets of 10 that were sent"


LINES = """\
2026 action=DROP project_id=f log_resource_ids=['x'] vm_port=p pkt=ipv4(dst='10.0.0.11',src='10.0.0.5')tcp(dst_port=22)
2026 action=DROP project_id=f log_resource_ids=['x'] vm_port=p pkt=ipv4(dst='10.0.0.111',src='10.0.0.5')tcp(dst_port=22)
2026 action=ACCEPT project_id=f log_resource_ids=['x'] vm_port=p pkt=ipv4(dst='10.0.0.11')tcp(dst_port=220)
2026|acl_log|INFO|name="n", verdict=drop, severity=info: tcp,nw_src=10.0.0.5,nw_dst=10.0.0.11,tp_src=22,tp_dst=22
2026|acl_log|INFO|name="n", verdict=allow, severity=info: tcp,nw_src=10.0.0.11,nw_dst=10.0.0.5,tp_src=22,tp_dst=80
"""


def test_lines_of_both_logs_are_understood() -> None:
    assert logged.told(LINES, "10.0.0.11", 22, "drop") == 2
    assert logged.told(LINES, "10.0.0.11", 220, "accept") == 1
    assert logged.told(LINES, "10.0.0.5", 80, "accept") == 1
    assert logged.told(LINES, "10.0.0.11", 80, "drop") == 0
