"""Resources of Neutron's services, and what is shared: made, changed in place, exported and brought up anew."""

from __future__ import annotations

import pytest

from .changing import Change, stays_as_its_file
from .conftest import Labs

pytestmark = [pytest.mark.lab, pytest.mark.slow]

FILE = """
backend: BACKEND
auth: keystone
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
    subnets:
      public4: {cidr: 203.0.113.0/24, dhcp: false}
      public6: {cidr: '2001:db8:1::/64', pool: outer, dhcp: false}
  private:
    shared_with: [demo]
    subnets:
      private4: {cidr: 10.0.0.0/24}
      private6: {cidr: '2001:db8:2::/64', pool: inner, ipv6_ra_mode: slaac, ipv6_address_mode: slaac}
routers:
  r: {interfaces: [private4, private6], external_gateway: public, conntrack_helpers: [{helper: tftp, port: 69}]}
security_groups:
  web: &web {rules: [{protocol: icmp}, {protocol: icmp, ethertype: IPv6}, {protocol: tcp, ports: 80}]}
  # OVN logs whole groups: of what is logged nobody else is in it.
  own: *web
guests:
  a: {ports: [{network: private, security_groups: [own], fixed_ips: [10.0.0.11]}], run: [SERVE]}
  b: {ports: [{network: private, security_groups: [web], fixed_ips: [10.0.0.12]}]}
  here: {ports: [{network: private, security_groups: [web]}]}
  there: {ports: [{network: private, security_groups: [web], fixed_ips: [10.0.0.22]}]}
local_ips:
  l: {network: private, address: 10.0.0.200, ports: [{guest: a, fixed_ip: 10.0.0.11}]}
ndp_proxies:
  p: {router: r, guest: a}
metering_labels:
  m: {rules: [{source: 10.0.0.11/32}]}
packet_logs:
  drops: {event: drop, guest: a}
checks:
  by its local IP: {kind: http, from: here, to: 10.0.0.200, path: /GPL-3, contains: GNU, within: 60s}
  from outside: {kind: ping, from: client, to: a, family: 6, within: 60s}
  counted: {kind: metered, from: a, to: client, label: m, within: 90s}
  not counted: {kind: metered, from: b, to: client, label: m, expect: blocked, within: 90s}
  logged: {kind: logged, from: b, to: a, port: 22, within: 90s}
  not logged: {kind: logged, from: a, to: b, port: 22, expect: blocked, within: 60s}
  shared: {kind: api, from: demo, get: /networks?name=private, shows: '"private"'}
  not shared: {kind: api, from: alt_demo, get: /networks?name=private, shows: '"private"', expect: blocked}
""".replace(
    "SERVE", "{command: exec python3 -m http.server 80 --directory /usr/share/common-licenses, background: true}"
)
NO_AGENTS = {"local IP's port", "local IP", "NDP proxy", "metering rule", "conntrack helper"}
CHANGES: list[Change] = [
    ("ports: [{guest: a, fixed_ip: 10.0.0.11}]", "ports: []", {("remove", "local IP's port", "l: a")}),
    ("ports: []", "ports: [{guest: a, fixed_ip: 10.0.0.11}]", {("make", "local IP's port", "l: a")}),
    ("router: r, guest: a", "router: r, guest: b", {("replace", "NDP proxy", "p")}),
    ("from: client, to: a, family: 6", "from: client, to: b, family: 6", set()),
    ("source: 10.0.0.11/32", "source: 10.0.0.12/32",
     {("remove", "metering rule", "m: egress source 10.0.0.11/32"),
      ("make", "metering rule", "m: egress source 10.0.0.12/32")}),
    ("counted: {kind: metered, from: a", "counted: {kind: metered, from: b", set()),
    ("not counted: {kind: metered, from: b", "not counted: {kind: metered, from: a", set()),
    ("helper: tftp, port: 69", "helper: ftp, port: 21",
     {("remove", "conntrack helper", "r: tftp at udp 69"), ("make", "conntrack helper", "r: ftp at tcp 21")}),
    ("event: drop, guest: a", "event: drop, guest: a, enabled: false", {("change", "packet log", "drops")}),
    ("  logged: {kind: logged, from: b, to: a,", "  logged: {kind: logged, from: b, to: a, expect: blocked,", set()),
    ("shared_with: [demo]", "shared_with: [alt_demo]",
     {("remove", "RBAC policy", "network private for demo"), ("make", "RBAC policy", "network private for alt_demo")}),
    ("shared: {kind: api, from: demo", "shared: {kind: api, from: alt_demo", set()),
    ("not shared: {kind: api, from: alt_demo", "not shared: {kind: api, from: demo", set()),
]  # fmt: skip


@pytest.mark.parametrize("backend", ["ovs", "ovn"])
def test_they_are_what_the_file_says_also_when_it_changes(backend: str, labs: Labs) -> None:
    stays_as_its_file(
        labs, FILE.replace("BACKEND", backend), "10.0.0.22", CHANGES, NO_AGENTS if backend == "ovn" else ()
    )
