"""The lab file's topology: what it may say, and what is said to mistakes in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fakevm.errors import InvalidInput
from fakevm.lab import reading
from fakevm.model.labfile import LabFile
from fakevm.model.labfile.check import BandwidthCheck, PathCheck, TargetedCheck

WHOLE = """\
physical_networks:
  external: {}
hosts:
  compute1: {}
  network1: {roles: [dhcp, l3, metadata], l3_mode: dvr_snat}
outside:
  clients: {client: 10, other: {number: 11}}
networks:
  public:
    type: flat
    physical_network: external
    external: true
    subnets:
      public4: {cidr: 203.0.113.0/24, dhcp: false, allocation_pools: [{start: 203.0.113.10, end: 203.0.113.99}]}
  private:
    type: vxlan
    segment: 203
    mtu: 1400
    subnets:
      private4:
        cidr: 10.0.0.0/24
        gateway: 10.0.0.254
        dns: [192.0.2.1]
        host_routes: [{destination: 10.9.0.0/16, nexthop: 10.0.0.9}]
      private6: {cidr: "2001:db8:1::/64", ipv6_ra_mode: slaac, ipv6_address_mode: slaac, gateway: none}
routers:
  r1:
    interfaces: [private4, {subnet: private6, address: "2001:db8:1::5"}]
    external_gateway: public
    routes: [{destination: 0.0.0.0/0, nexthop: 203.0.113.1}]
qos_policies:
  slow: {bandwidth_limits: [{rate: 10 Mbit/s, burst: 100}]}
security_groups:
  web:
    rules:
      - {protocol: tcp, ports: 80}
      - {protocol: udp, ports: 10-20, remote: "2001:db8::/32"}
      - {direction: egress, remote_group: web}
guests:
  web1:
    host: compute1
    ports:
      - network: private
        fixed_ips: [10.0.0.5, {subnet: private6}]
        security_groups: [web]
        qos_policy: slow
        allowed_address_pairs: [10.0.0.100]
    keys: {me: ssh-ed25519 AAAA}
    user_data: "#!/bin/sh\\n"
    run: [{command: python3 -m http.server 80, background: true}]
  web2: {ports: [private]}
floating_ips:
  web: {network: public, guest: web1}
checks:
  ping: {kind: ping, from: web1, to: web2, within: 10s}
  web from outside: {kind: http, from: client, to: web, contains: hello}
  slow: {kind: bandwidth, from: web1, to: web2, rate: 10 Mbit/s, tolerance: 5 %}
  way: {kind: path, from: web1, to: client, hosts: [compute1, network1], expect: passes}
"""


def complaints(text: str) -> list[str]:
    with pytest.raises(InvalidInput) as caught:
        reading.parse(text, "f")
    return str(caught.value).splitlines()[1:]


def test_a_file_may_say_all_this() -> None:
    lab = reading.parse(WHOLE, "f")
    assert lab.guests["web2"].ports[0].network == "private"
    assert lab.routers["r1"].interfaces[0].subnet == "private4"
    assert [rule.ports for rule in lab.security_groups["web"].rules] == [(80, 80), (10, 20), None]
    assert [rule.family for rule in lab.security_groups["web"].rules] == ["IPv4", "IPv6", "IPv4"]
    assert lab.qos_policies["slow"].bandwidth_limits[0].rate == 10_000
    assert lab.outside.clients["client"].addresses == ("198.51.100.10/24", "2001:db8:ffff::a/64")
    assert list(lab.external_networks) == ["public"]
    ping, slow, way = (lab.checks[name] for name in ("ping", "slow", "way"))
    assert isinstance(ping, TargetedCheck)
    assert (ping.source, ping.target, ping.within) == ("web1", "web2", 10.0)
    assert isinstance(slow, BandwidthCheck)
    assert (slow.rate, slow.tolerance) == (10_000, 5)
    assert isinstance(way, PathCheck)


def test_a_file_can_be_written_out_and_read_again() -> None:
    lab = reading.parse(WHOLE, "f")
    for values in (lab.model_dump(), lab.model_dump(by_alias=True), json.loads(lab.model_dump_json())):
        assert reading.parse_mapping(values, "again") == lab


MISTAKES = (Path(__file__).parents[1] / "mistakes.yaml").read_text()


def test_eleven_mistakes_are_eleven_errors_with_their_lines() -> None:
    found = complaints(MISTAKES)
    assert [line.split(": ")[:2] for line in found] == [
        ["f:4", "hosts.network1.roles.1"],
        ["f:7", "networks.private.typ"],
        ["f:9", "networks.private.subnets.private4.cidr"],
        ["f:10", "networks.public"],
        ["f:13", "routers.r1.interfaces.0"],
        ["f:14", "routers.r1.external_gateway"],
        ["f:16", "guests.web1.host"],
        ["f:16", "guests.web1.ports.0.qos_policy"],
        ["f:17", "guests.Web2"],
        ["f:19", "checks.one.within"],
        ["f:20", "checks.two"],
    ]
    for line, words in zip(found, WORDS, strict=True):
        assert words in line


WORDS = (
    "Did you mean 'metadata'?",
    "Did you mean 'type'?",
    "did you mean 10.0.0.0/24?",
    "a flat network needs a physical_network",
    "Did you mean 'private4'?",
    "there is no external network 'private'. There are: public.",
    "there is no compute host 'network1'. There are: compute1.",
    "there is no QoS policy 'fast'",
    "a name is a small letter, then",
    "such as 10s",
    "Did you mean 'ping'?",
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("networks: {a: {subnets: {s: {cidr: 10.0.0.0/24}}}, b: {subnets: {s: {cidr: 10.1.0.0/24}}}}", "'s' is there"),
        ("networks: {a: {subnets: {s: {cidr: 10.0.0.0/24, gateway: 10.1.0.1}}}}", "10.1.0.1 is not in 10.0.0.0/24"),
        ("networks: {a: {subnets: {s: {cidr: 10.0.0.0/24, ipv6_ra_mode: slaac}}}}", "are for IPv6 subnets"),
        ("networks: {a: {type: vlan, physical_network: physnet1, segment: 5000}}", "at most 4094"),
        ("networks: {a: {type: vlan, physical_network: physnet2}}", "Did you mean 'physnet1'?"),
        ("networks: {a: {physical_network: physnet1}}", "needs type: flat or type: vlan"),
        ("security_groups: {g: {rules: [{ports: 80}]}}", "ports need a protocol"),
        ("security_groups: {g: {rules: [{protocol: tcp, ports: 90-80}]}}", "must not be above"),
        ("security_groups: {g: {rules: [{remote: 10.0.0.0/8, ethertype: IPv6}]}}", "is not IPv6"),
        ("guests: {g: {ports: net}}", "guests.g.ports: a list is expected: [net]"),
        ("guests: {g: net}", "guests.g: keys with values are expected"),
        (
            "networks: {a: {subnets: {s: {cidr: 10.0.0.0/24}}}}\n"
            "guests: {g: {ports: [{network: a, fixed_ips: [10.0.1.5]}]}}",
            "f:2: guests.g.ports.0: 10.0.1.5 is in no subnet of the network 'a': 10.0.0.0/24",
        ),
        ("qos_policies: {q: {bandwidth_limits: [{rate: 1}, {rate: 2}]}}", "direction 'egress' is there more than once"),
        ("backend: ovz", "f:1: backend: there is no backend 'ovz'. Did you mean 'ov"),
        ("checks: {c: {kind: outage, from: client, to: client}}", "checks.c: an outage is measured during a fault"),
        (
            "guests: {g: {}}\nchecks: {c: {kind: migrate, from: client, to: g, way: cold, processes: move}}",
            "checks.c: nothing runs on when a guest moves cold",
        ),
        (
            "networks: {n: {}}\nguests: {g: {ports: [n], interfaces: {eth0: n}}}",
            "f:2: guests.g: a guest has `ports` or",
        ),
        ("guests: {g: {interfaces: {lo: {}}}}", "a device cannot be called 'lo'"),
        ("guests: {g: {interfaces: {default: {}}}}", "a device cannot be called 'default'"),
        (
            "guests:\n  g:\n    interfaces:\n      a234567890123456: {}",
            "f:4: guests.g.interfaces.a234567890123456: 'a234567890123456' is longer than 15 bytes",
        ),
        ("guests: {g: {interfaces: {'eth 0': {}}}}", "'eth 0' is no device's name"),
        ("guests: {g: {interfaces: {a/b: {}}}}", "'a/b' is no device's name"),
        ("guests: {g: {interfaces: {-x: {}}}}", "'-x' is no device's name"),
        ("guests: {g: {interfaces: {eth0: nix}}}", "guests.g.interfaces.eth0: there is no network 'nix'"),
        ("guests: {g: {interfaces: {eth0: {trunk: []}}}}", "guests.g.interfaces.eth0.network: must be given"),
        (
            "guests: {g: {interfaces: {eth0: {mca: x}}}}",
            "guests.g.interfaces.eth0.mca: unknown key. Did you mean 'mac'? Allowed: bridge, mac, mtu, addresses",
        ),
        (
            "networks: {n: {}}\nguests: {g: {interfaces: {eth0: {network: n, mtu: 9}}}}",
            "Allowed: network, mac, fixed_ips",
        ),
        (
            "networks: {n: {}}\nguests: {g: {interfaces: {eth0: {network: n, port_security: false, "
            "security_groups: [default]}}}}",
            "f:2: guests.g.interfaces.eth0: without port_security",
        ),
        (
            "guests: {g: {interfaces: {eth0: {addresses: [10.0.0.1]}}}}",
            "guests.g.interfaces.eth0.addresses.0: expected an address with the length of its prefix",
        ),
        ("guests: {g: {interfaces: {eth0: {mtu: 67}}}}", "guests.g.interfaces.eth0.mtu: must be at least 68"),
        ("guests: {g: {}}\nlinks: {a: {ends: [g:eth0, g:eth1, g:eth2]}}", "f:2: links.a.ends: a link has two ends"),
        ("guests: {g: {}}\nlinks: {a: 'g:eth0 -- g:eth1 -- g:eth2'}", "f:2: links.a: a link has two ends"),
        ("guests: {g: {}}\nlinks: {a: 'g:eth0 -- h:eth0'}", "f:2: links.a: there is no guest 'h'"),
        (
            "guests: {g: {}}\nlinks:\n  a:\n    ends:\n    - g:eth0\n    - h:eth0",
            "f:6: links.a.ends.1: there is no guest 'h'",
        ),
        ("guests: {g: {}}\nlinks: {a: 'g:eth0 -- g'}", "links.a: 'g' names no interface of a guest"),
        ("guests: {g: {}}\nlinks: {a: 'g:eth0 -- g:lo'}", "links.a: a device cannot be called 'lo'"),
        (
            "guests: {g: {}}\nlinks: {a: {ends: [g:eth0, g:eth1], carrier: upd}}",
            "links.a.carrier: there is no carrier 'upd'. Did you mean 'udp'?",
        ),
        ("networks: {net: {}}\nguests: {g: {ports: [{network: net, mac: x}]}}", "f:2: guests.g.ports.0.mac"),
        ("hosts: {outside: {}}", "the world behind the external networks"),
        ("outside: {clients: {c: 1}}", "from 2 to 254"),
        ("checks: {c: {from: client, to: client}}", "checks.c: kind must be given"),
        ("checks: {c: {kind: tcp, from: client, to: client, prt: 7, port: 8}}", "Did you mean 'port'? Allowed: from"),
        ("checks: {c: {kind: tcp, from: client, to: clent, port: 8}}", "Did you mean 'client'?"),
        ("checks: {c: {kind: tcp, from: clint, to: client, port: 8}}", "Did you mean 'client'?"),
    ],
)
def test_what_is_wrong_is_said(text: str, said: str) -> None:
    [line] = complaints(text)
    assert said in line


def resolved(schema: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    return dict(schema["$defs"][node["$ref"].rpartition("/")[2]]) if "$ref" in node else node


def test_the_schema_for_editors_knows_what_may_be_one_word() -> None:
    schema = LabFile.model_json_schema()
    port = resolved(schema, schema["$defs"]["GuestFile"]["properties"]["ports"]["items"])
    assert [form["type"] for form in port["anyOf"]] == ["string", "object"]
    assert schema["additionalProperties"] is False


def test_hosts_that_are_alike_are_counted_and_one_may_differ() -> None:
    text = "hosts: {compute: {count: 3, roles: [compute, dhcp]}, compute2: {release: 2026.1}, net: {roles: [l3]}}"
    hosts = reading.parse(text + "\nguests: {g: {ports: [n], host: compute3}}\nnetworks: {n: {}}\n", "f").hosts
    assert list(hosts) == ["compute1", "compute2", "compute3", "net"]
    assert hosts["compute2"].roles == ("compute", "dhcp")
    assert [host.release for host in hosts.values()] == [None, "2026.1", None, None]


def test_what_is_wrong_with_counted_hosts_is_said_once_with_its_line() -> None:
    with pytest.raises(InvalidInput) as caught:
        reading.parse("hosts:\n  compute:\n    count: 50\n    roles: [dance]\n", "f")
    assert caught.value.what.splitlines()[0] == "1 error in the lab file:"
    assert ":4: hosts.compute.roles" in caught.value.what


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hosts: {compute: {count: 0}}", "hosts.compute.count"),
        ("hosts: {compute: {count: many}}", "hosts.compute.count"),
        ("hosts: {compute: {count: 100000000}}", "hosts.compute.count"),
        ("hosts: {a: {count: 600}, b: {count: 600}}", "at most 1000 hosts, not 1200"),
        ("hosts: {a: {count: 2}, a1: {count: 2}}", "'a1' is one of the hosts that another entry counts"),
        ("hosts: {a: {count: 2}}\nnetworks: {n: {}}\nguests: {g: {ports: [n], host: a3}}", "a3"),
    ],
)
def test_counts_of_hosts_that_cannot_be(text: str, said: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        reading.parse(text, "f")
    assert said in caught.value.what
