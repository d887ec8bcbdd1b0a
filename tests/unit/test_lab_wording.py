"""No message about a lab file is in pydantic's own words: wrong values are tried for every key of every model."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel
from pydantic_core._pydantic_core import list_all_errors

from fakevm.errors import InvalidInput
from fakevm.lab import form, reading
from fakevm.model.labfile.word import FORMS, fields_of

# One of everything that a lab file can have.
WHOLE: dict[str, Any] = {
    "name": "whole", "neutron": True, "warm": False, "auth": "token", "project": "admin",
    "guest_kind": "namespace", "images": {"m": {"file": "m.tar"}}, "packages": ["a==1"],
    "services": [{"name": "s", "service_plugins": ["p"], "mechanism_drivers": ["p"], "extension_drivers": ["p"],
                  "l2_extensions": ["p"], "l3_extensions": ["p"], "agents": {"a": "compute"},
                  "providers": ["A:b:c:default"], "packages": ["b"],
                  "config": {"server": {"DEFAULT": {"debug": True}}}}],
    "release": "29.0.0", "backend": "ovs", "datapath": "auto", "firewall": "openvswitch",
    "openflow": {"application": ""}, "physical_networks": {"p": {"vlans": [1, 2], "mtu": 1500}, "p2": {}},
    "underlay": {"mtu": 1500},
    "compute_api": False,
    "config": {"server": {"DEFAULT": {"debug": True}}, "ml2": {"ml2": {"type_drivers": ["flat"], "map": {"a": 1}}}},
    "hosts": {"h": {"roles": ["compute", "dhcp", "l3"], "firewall": "noop", "release": "29.0.0", "l3_mode": "legacy",
                    "physical_networks": ["p", "p2"], "zone": "z"},
              "t": {"release": {"path": "neutron", "like": "29.0.0"}},
              "c": {"count": 2}},
    "outside": {"clients": {"c1": {"number": 10}}},
    "networks": {
        "n": {"type": "vxlan", "segment": 5, "mtu": 1400, "external": False, "port_security": True, "qos_policy": "q",
              "dns_domain": "lab.example.",
              "zones": ["z"],
              "subnets": {"s": {"cidr": "10.0.0.0/24", "pool": "o", "gateway": "auto", "dhcp": True,
                                "dns": ["10.0.0.9"],
                                "host_routes": [{"destination": "10.9.0.0/24", "nexthop": "10.0.0.7"}],
                                "allocation_pools": [{"start": "10.0.0.10", "end": "10.0.0.20"}]},
                          "s6": {"cidr": "2001:db8::/64", "ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"}}},
        "m": {"segments": {"p": {"type": "vlan", "segment": 5}, "p2": {"type": "vlan"}},
              "subnets": {"sm": {"cidr": "10.5.0.0/24", "segment": "p"}}},
        "e": {"type": "flat", "physical_network": "p", "external": True, "subnets": {"se": {"cidr": "192.0.2.0/24"}}},
    },
    "routers": {"r": {"interfaces": [{"subnet": "s", "address": "10.0.0.1"}],
                      "external_gateway": {"network": "e", "addresses": ["192.0.2.5"], "snat": True,
                                           "qos_policy": "q"},
                      "ha": False, "distributed": False, "zones": ["z"],
                      "routes": [{"destination": "10.8.0.0/24", "nexthop": "10.0.0.8"}],
                      "conntrack_helpers": [{"helper": "ftp", "protocol": "tcp", "port": 21}]}},
    "security_groups": {"g": {"rules": [{"direction": "ingress", "ethertype": "IPv4", "protocol": "tcp", "ports": 80,
                                         "remote": "10.0.0.0/8"}, {"remote_group": "g"}, {"remote_address_group": "a"}],
                              "all_egress": True, "stateful": True, "shared_with": ["demo"]}},
    "address_groups": {"a": {"addresses": ["10.0.0.7"]}},
    "qos_policies": {"q": {"bandwidth_limits": [{"direction": "egress", "rate": "1 Mbit/s", "burst": 0}],
                           "packet_rate_limits": [{"direction": "egress", "rate": "2 kpps", "burst": 0}],
                           "dscp_mark": 26, "minimum_bandwidths": [{"direction": "egress", "rate": 9}],
                           "minimum_packet_rates": [{"direction": "any", "rate": 1}]}},
    "guests": {"w": {"kind": "namespace", "sysctl": {"net.ipv4.ip_forward": 1}, "host": "h",
                     "user_data": "", "keys": {"k": "ssh"},
                     "run": [{"command": "true", "background": False, "timeout": "1m", "restart": "never"}],
                     "ports": [{"network": "n", "mac": "fa:16:3e:00:00:01", "addressing": "auto",
                                "fixed_ips": [{"address": "10.0.0.11", "subnet": "s"}], "security_groups": ["g"],
                                "port_security": True, "allowed_address_pairs": [{"address": "10.0.0.99"}, "v"],
                                "qos_policy": "q", "dns_name": "www", "nic": "veth",
                                "dhcp_options": {"bootfile-name": "x", "150": "10.0.0.9"},
                                "dhcpv6_options": {"59": "x"},
                                "trunk": [{"network": "n", "vlan": 7, "fixed_ips": [{"subnet": "s"}]}]}]},
               "v": {"kind": "vm", "machine": {"disk": "sata", "nic": "e1000", "access": "console", "user": "u",
                                              "password": "p", "seed": {"user_data": "#!/bin/sh", "keys": ["k"]},
                                              "kernel": "k", "initrd": "i", "cmdline": "quiet"}},
               "m": {"kind": "container", "image": "m", "limits": {"memory": "256M", "cpus": 0.5},
                     "ssh": {"jump": "w"}, "server": {"user": "debian"}, "interfaces": {"eth3": {"bridge": "b"}}},
               "o": {"routing": {"bird": {"file": "bird.conf"}}},
               "i": {"routing": {"frr": {"router_id": "10.255.0.9", "daemons": ["ospfd"],
                                         "ospf": {"area": 0, "interfaces": ["eth1"], "hello": 1, "dead": 4},
                                         "bgp": {"as": 65001, "neighbours": {"10.7.0.2": 65002},
                                                 "networks": ["10.0.0.0/8"]}}},
                     "interfaces": {"eth0": {"network": "n", "addressing": "auto"},
                                    "eth1": {"mac": "02:00:00:00:00:01", "mtu": 1400, "addresses": ["10.7.0.1/24"],
                                             "nic": "veth",
                                             "impair": {"sent": {"loss": 1}, "received": {"corrupt": 1}},
                                             "shape": {"upload": {"tbf": 9}, "download": {"tbf": 9}}}}}},
    "links": {"l": {"ends": ["i:eth1", "w:eth1"], "carrier": "veth", "mtu": 1500,
                    "impair": {"delay": "5 ms", "jitter": "1 ms", "loss": "1 %", "duplicate": 1, "reorder": 1,
                               "from": {"i": {"delay": 1}}},
                    "shape": {"tbf": {"rate": "1 Mbit/s", "burst": 9000, "latency": "50 ms"},
                              "htb": {"rate": 9, "classes": [{"share": 5, "protocol": "tcp", "sport": 1, "dport": 2}]},
                              "from": {"i": {"tbf": 9}}}},
              "out": {"ends": ["i:eth4"], "carrier": "udp", "local": "127.0.0.1:5000", "remote": "127.0.0.1:5001"},
              "far": {"ends": ["i:eth5"], "carrier": "vxlan", "remote": "127.0.0.1:5002", "vni": 7},
              "word": "i:eth2 -- w:eth2"},
    "bridges": {"b": {"stp": True, "forward_delay": "15s", "mtu": 1500}},
    "generate": {"leaf_spine": {"spines": 1, "leaves": 3, "leaf_ring": True}, "ring": 3, "mesh": 2, "line": 2,
                 "guest": {"sysctl": {"net.ipv4.ip_forward": 1}}},
    "address_scopes": {"o": {"version": 4}},
    "subnet_pools": {"o": {"prefixes": ["10.0.0.0/8"], "prefix": 24, "scope": "o"}},
    "ports": {"v": {"network": "n", "mac": "fa:16:3e:00:00:09", "fixed_ips": [{"address": "10.0.0.99"}],
                    "security_groups": ["g"], "port_security": True}},
    "floating_ips": {"f": {"network": "e", "guest": "w", "port": "n", "fixed_ip": "10.0.0.11",
                           "address": "192.0.2.50", "qos_policy": "q"},
                     "p": {"network": "e", "port_forwardings": [
                         {"protocol": "udp", "ports": "80-90", "guest": "w", "port": "n", "fixed_ip": "10.0.0.11",
                          "to_ports": 80}]}},
    "local_ips": {"l": {"network": "n", "address": "10.0.0.77", "mode": "translate",
                        "ports": [{"guest": "w", "port": "n", "fixed_ip": "10.0.0.11"}]}},
    "ndp_proxies": {"x": {"router": "r", "guest": "w", "port": "n", "fixed_ip": "2001:db8::5"}},
    "metering_labels": {"m": {"shared": False, "rules": [{"direction": "egress", "source": "10.0.0.0/8",
                                                          "destination": "192.0.2.0/24", "excluded": False}]}},
    "packet_logs": {"k": {"event": "drop", "security_group": "g", "enabled": True, "guest": "w", "port": "n",
                          "fixed_ip": "10.0.0.11"}},
    "checks": {
        "ping": {"kind": "ping", "from": "w", "to": "w", "count": 3, "family": 4, "expect": "passes", "within": "1s",
                 "needs": [], "during": {"stop": "h"}},
        "tcp": {"kind": "tcp", "from": "w", "to": "w", "port": 80},
        "udp": {"kind": "udp", "from": "w", "to": "w", "port": 80},
        "http": {"kind": "http", "from": "w", "to": "w", "port": 80, "path": "/", "status": 200, "contains": ""},
        "dns": {"kind": "dns", "from": "w", "name": "a.b", "server": "", "answer": ""},
        "dhcp": {"kind": "dhcp", "from": "w", "servers": 1},
        "lease": {"kind": "lease", "from": "w", "gets": {"bootfile-name": "x"}, "family": 6},
        "mtu": {"kind": "mtu", "from": "w", "to": "w", "size": 1400},
        "bandwidth": {"kind": "bandwidth", "from": "w", "to": "w", "rate": 5, "tolerance": "5 %", "seconds": 1},
        "classes": {"kind": "bandwidth", "from": "w", "to": "w", "classes": {80: 5}, "counts": "frames"},
        "loss": {"kind": "loss", "from": "w", "to": "w", "loss": "1 %", "count": 10, "interval": "1 ms"},
        "dscp": {"kind": "dscp", "from": "w", "to": "w", "mark": 26},
        "packets": {"kind": "packets", "from": "w", "to": "w", "rate": "2 kpps", "tolerance": "5 %", "seconds": 3},
        "delay": {"kind": "delay", "from": "w", "to": "w", "delay": "5 ms", "tolerance": "1 ms"},
        "metered": {"kind": "metered", "from": "w", "to": "w", "label": "m", "count": 3},
        "logged": {"kind": "logged", "from": "w", "to": "w", "port": 22, "event": "drop"},
        "api": {"kind": "api", "from": "demo", "get": "/networks", "shows": "x"},
        "path": {"kind": "path", "from": "w", "to": "w", "hosts": ["h"], "avoids": []},
        "outage": {"kind": "outage", "from": "w", "to": "w", "at_most": 3, "during": {"cut": "h"}},
        "migrate": {"kind": "migrate", "from": "w", "to": "w", "host": "h", "way": "live", "at_most": 3,
                    "processes": "move"},
        "ospf": {"kind": "ospf", "from": "i", "neighbours": 1},
        "bgp": {"kind": "bgp", "from": "i", "neighbours": 1},
        "route": {"kind": "route", "from": "i", "to": "10.0.0.0/8", "via": "eth1", "ways": 1, "family": 4},
        "neighbour": {"kind": "neighbour", "from": "i"},
        "command": {"kind": "command", "from": "h", "run": "true", "shows": "x"},
    },
}  # fmt: skip
WRONG: list[Any] = [
    None, True, 3, -1, 10**30, 1.5, float("nan"), float("inf"), "", " ", "ü b", "x" * 300, "1.2.3s", "9" * 30, [], [3],
    [[]], ["ü b", "ü b"], {}, {"nonsense": 1}, {"": 1}, {"ü b": {}},
]  # fmt: skip
# What pydantic says, and no person.
RAW = re.compile(
    r"should|\bInput\b|Value error|Field required|Extra inputs|Assertion|unable to|valid (?:string|integer|number|"
    r"dictionary|list|tuple|boolean)|_type\b|type=|pydantic|There are none|literal for int|could not convert"
)


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """List where a value can be put into a tree, in the place of another."""
    if at:
        yield at
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*at, key))


def put(tree: Any, at: tuple[Any, ...], value: Any) -> Any:
    """Give a tree with another value at a place."""
    if not at:
        return value
    copy = dict(tree) if isinstance(tree, dict) else list(tree)
    copy[at[0]] = put(tree[at[0]], at[1:], value)
    return copy


def complaint(tree: Any) -> str:
    try:
        reading.parse_mapping(tree, "lab.yaml")
    except InvalidInput as refused:
        return str(refused)
    return ""


def test_the_whole_file_is_right_and_has_every_key() -> None:
    assert complaint(WHOLE) == ""
    tried = {str(part) for at in places(WHOLE) for part in at}
    missing = {
        f"{model.__name__}.{key}" for model in models(form.whole()) for key in fields_of(model) if key not in tried
    }
    # A fault and an address pair are of one kind only, at a time.
    assert missing <= {"FaultFile.kill", "FaultFile.kill_zone", "FaultFile.restart", "AddressPair.mac"}


def models(kind: Any, found: set[Any] | None = None) -> set[Any]:
    """Find all models that a type is made of."""
    found = set() if found is None else found
    if isinstance(kind, type) and issubclass(kind, BaseModel) and kind not in found:
        found.add(kind)
        for field in kind.model_fields.values():
            models(field.annotation, found)
    for inner in getattr(kind, "__args__", ()):
        models(inner, found)
    return found


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look up once what a file may refer to: it is asked for thousands of times."""
    monkeypatch.setattr(reading, "_installed", functools.cache(reading._installed))


@pytest.mark.parametrize("at", places(WHOLE), ids=lambda at: ".".join(map(str, at)))
def test_a_wrong_value_is_told_in_plain_words(at: tuple[Any, ...]) -> None:
    for value in WRONG:
        said = complaint(put(WHOLE, at, value))
        assert not RAW.search(said), f"{value!r}: {said}"
        assert "something else is expected" not in said, f"{value!r}: {said}"


def test_every_pattern_has_its_words() -> None:
    def patterns(node: Any) -> Iterator[str]:
        if isinstance(node, dict):
            yield from (node["pattern"],) if isinstance(node.get("pattern"), str) else ()
            yield from node.get("patternProperties", ())
        for inner in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
            yield from patterns(inner)

    assert set(patterns(form.whole().model_json_schema())) == set(FORMS)


def test_a_kind_of_error_that_is_not_known_yet_is_not_shown_raw() -> None:
    from fakevm.lab.wording import in_plain_words

    for kind in list_all_errors():
        context = {"error": "x", "expected": "x", "pattern": next(iter(FORMS)), "tag": "x", "expected_tags": "x"}
        context |= dict.fromkeys(("gt", "ge", "lt", "le", "min_length", "max_length"), 1)
        error: Any = {"type": kind["type"], "input": "x", "ctx": context, "msg": kind["example_message_python"]}
        assert in_plain_words(error)
        assert kind["example_message_python"] not in in_plain_words(error)


def test_a_reference_to_nothing_says_no_more() -> None:
    said = complaint({"guests": {"w": {"ports": ["n"]}}})
    assert "there is no network 'n'" in said
    assert "There are" not in said


@pytest.mark.parametrize(
    "wrong",
    [{"networks": 3}, {"networks": {"n": 3}}, {"hosts": [1], "guests": {}}, {"networks": {"n": {"subnets": 3}}}],
)
def test_what_RefersTo_a_section_that_cannot_be_read_is_not_told_as_well(wrong: dict[str, Any]) -> None:
    tree = {
        "guests": {"w": {"host": "h", "ports": [{"network": "n", "fixed_ips": [{"subnet": "s"}]}]}},
        "hosts": {"h": {}}, "networks": {"n": {"subnets": {"s": {"cidr": "10.0.0.0/24"}}}},
    } | wrong  # fmt: skip
    assert complaint(tree).startswith("1 error ")


def test_release_master_is_told_which_there_are() -> None:
    said = complaint({"release": "master"})
    assert "there is no release 'master'. There are: " in said
    assert "29.0.0" in said
