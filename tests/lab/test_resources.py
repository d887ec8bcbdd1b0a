"""Resources of a lab file, made, changed in place while other guests ping one another, exported and brought up anew."""

from __future__ import annotations

import pytest

from .changing import Change, stays_as_its_file
from .conftest import Labs

pytestmark = [pytest.mark.lab, pytest.mark.slow]

FILE = """
backend: BACKEND
physical_networks: {external: {}}
hosts: {compute1: {}, network1: {roles: [dhcp, l3]}}
networks:
  public:
    {type: flat, physical_network: external, external: true,
     subnets: {public4: {cidr: 203.0.113.0/24, dhcp: false}}}
  private: {subnets: {private4: {cidr: 10.1.0.0/24, pool: pool}}}
subnet_pools:
  pool: {prefixes: [10.1.0.0/16]}
routers:
  router1: {interfaces: [private4], external_gateway: public}
security_groups:
  open: {rules: [{protocol: icmp}, {protocol: tcp}, {protocol: udp}]}
ports:
  vip: {network: private, fixed_ips: [10.1.0.100], security_groups: [open]}
guests:
  a: {ports: [{network: private, security_groups: [open], fixed_ips: [10.1.0.11, 10.1.0.12], addressing: static}]}
  b:
    ports:
      - network: private
        security_groups: [open]
        allowed_address_pairs: [vip]
        dhcp_options: {bootfile-name: pxelinux.0, tftp-server: 10.1.0.5}
    run: ["ip address add 10.1.0.100/24 dev $(ls /sys/class/net | grep ^qfv)"]
  c: {ports: [{network: private, security_groups: [open]}]}
  here: {ports: [{network: private, security_groups: [open], fixed_ips: [10.1.0.21]}]}
  there: {ports: [{network: private, security_groups: [open], fixed_ips: [10.1.0.22]}]}
floating_ips:
  to-vip: {network: public, port: vip, address: 203.0.113.90}
  to-a: {network: public, guest: a, fixed_ip: 10.1.0.12, address: 203.0.113.91}
  shared:
    network: public
    address: 203.0.113.92
    port_forwardings:
      - {ports: 2022, guest: c, to_ports: 22}
      - {protocol: udp, ports: 5000-5003, guest: c, to_ports: 6000-6003}
      - {ports: 8000-8003, guest: c, to_ports: 80}
      - {ports: 9000-9001, guest: c}
checks:
  the address is reached: {kind: ping, from: here, to: vip, within: 60s}
  by its floating IP: {kind: ping, from: client, to: to-vip, within: 60s}
  so is a fixed address: {kind: ping, from: client, to: to-a, within: 60s}
  tcp is forwarded: {kind: tcp, from: client, to: shared, port: 2022, within: 60s}
  a range of udp, its first: {kind: udp, from: client, to: shared, port: 5000, within: 60s}
  its last: {kind: udp, from: client, to: shared, port: 5003, within: 60s}
  many to one: {kind: tcp, from: client, to: shared, port: 8003, within: 60s}
  what a client is given: {kind: lease, from: b, gets: {bootfile-name: pxelinux.0, tftp-server: 10.1.0.5}, within: 60s}
  nobody else is given it: {kind: lease, from: c, gets: {bootfile-name: "", tftp-server: ""}, within: 60s}
"""
CHANGES: list[Change] = [
    # A forwarding to another port, and to another guest.
    ("ports: 2022, guest: c, to_ports: 22", "ports: 2022, guest: c, to_ports: 23",
     {("change", "port forwarding", "shared: tcp 2022")}),
    ("ports: 2022, guest: c, to_ports: 23", "ports: 2022, guest: here, to_ports: 23",
     {("change", "port forwarding", "shared: tcp 2022")}),
    # A range that goes elsewhere, another one beside it, and one more port.
    ("ports: 5000-5003, guest: c, to_ports: 6000-6003", "ports: 5000-5003, guest: c, to_ports: 7000-7003",
     {("replace", "port forwarding", "shared: udp 5000-5003")}),
    ("ports: 9000-9001, guest: c}", "ports: 9000-9001, guest: there}",
     {("replace", "port forwarding", "shared: tcp 9000-9001")}),
    ("      - {ports: 9000-9001, guest: there}\n",
     "      - {ports: 9000-9001, guest: there}\n      - {ports: 8010, guest: there, to_ports: 80}\n",
     {("make", "port forwarding", "shared: tcp 8010")}),
    # A floating IP of another address, other options of DHCP, more prefixes of a pool.
    ("guest: a, fixed_ip: 10.1.0.12", "guest: a, fixed_ip: 10.1.0.11", {("change", "floating IP", "to-a")}),
    ("dhcp_options: {bootfile-name: pxelinux.0, tftp-server: 10.1.0.5}", "dhcp_options: {bootfile-name: other.0}",
     {("change", "port", "b")}),
    ("prefixes: [10.1.0.0/16]", "prefixes: [10.1.0.0/16, 10.9.0.0/16]", {("change", "subnet pool", "pool")}),
    ("{bootfile-name: pxelinux.0, tftp-server: 10.1.0.5}, within", '{bootfile-name: other.0, tftp-server: ""}, within',
     set()),
]  # fmt: skip


@pytest.mark.parametrize("backend", ["ovs", "ovn"])
def test_they_are_what_the_file_says_also_when_it_changes(backend: str, labs: Labs) -> None:
    stays_as_its_file(labs, FILE.replace("BACKEND", backend), "10.1.0.22", CHANGES)
