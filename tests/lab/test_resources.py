"""Resources of a lab file, made, changed in place while other guests ping one another, exported and brought up anew."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .conftest import Lab, Labs
from .pings import pinging

pytestmark = [pytest.mark.lab, pytest.mark.slow]

FILE = """
name: resources
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
CHANGES = {
    # What is written, what instead, and what is done for it.
    "forwarded to another port": (
        "ports: 2022, guest: c, to_ports: 22", "ports: 2022, guest: c, to_ports: 23",
        {("change", "port forwarding", "shared: tcp 2022")},
    ),
    "forwarded to another guest": (
        "ports: 2022, guest: c, to_ports: 23", "ports: 2022, guest: here, to_ports: 23",
        {("change", "port forwarding", "shared: tcp 2022")},
    ),
    "a range goes elsewhere": (
        "ports: 5000-5003, guest: c, to_ports: 6000-6003", "ports: 5000-5003, guest: c, to_ports: 7000-7003",
        {("replace", "port forwarding", "shared: udp 5000-5003")},
    ),
    "a range beside another one": (
        "ports: 9000-9001, guest: c}", "ports: 9000-9001, guest: there}",
        {("replace", "port forwarding", "shared: tcp 9000-9001")},
    ),
    "another port of the floating IP": (
        "      - {ports: 9000-9001, guest: there}\n",
        "      - {ports: 9000-9001, guest: there}\n      - {ports: 8010, guest: there, to_ports: 80}\n",
        {("make", "port forwarding", "shared: tcp 8010")},
    ),
    "the floating IP of another address": (
        "guest: a, fixed_ip: 10.1.0.12", "guest: a, fixed_ip: 10.1.0.11", {("change", "floating IP", "to-a")},
    ),
    "other options of DHCP": (
        "dhcp_options: {bootfile-name: pxelinux.0, tftp-server: 10.1.0.5}",
        "dhcp_options: {bootfile-name: other.0}", {("change", "port", "b")},
    ),
    "more prefixes of a pool": (
        "prefixes: [10.1.0.0/16]", "prefixes: [10.1.0.0/16, 10.9.0.0/16]", {("change", "subnet pool", "pool")},
    ),
}  # fmt: skip
SEEN_AFTER = {
    "{bootfile-name: pxelinux.0, tftp-server: 10.1.0.5}, within": '{bootfile-name: other.0, tftp-server: ""}, within',
}


@pytest.mark.parametrize("backend", ["ovs", "ovn"])
def test_they_are_what_the_file_says_also_when_it_changes(backend: str, labs: Labs) -> None:
    text = FILE.replace("BACKEND", backend)
    file = labs.folder / "resources.yaml"
    file.write_text(text)
    up = labs.fakevm("lab", "up", str(file), timeout=600)
    assert up.returncode == 0, up.stderr
    lab = Lab(labs, labs.record("resources"))
    checked(lab)
    same(lab)

    vif = json.loads(lab.fakevm("show", "here", "-f", "json").stdout)["vif_id"]
    with pinging(lab, vif, "10.1.0.22", 0.1, labs.folder) as pings:
        for what, (old, new, wanted) in CHANGES.items():
            assert old in text, what
            text = text.replace(old, new)
            file.write_text(text)
            done = lab.fakevm("lab", "apply", str(file), "-f", "json")
            assert done.returncode == 0, done.stderr
            assert {(s["action"], s["kind"], s["name"]) for s in json.loads(done.stdout)} == wanted, what
        for old, new in SEEN_AFTER.items():
            text = text.replace(old, new)
        file.write_text(text)
        assert lab.fakevm("lab", "apply", str(file)).returncode == 0
        checked(lab)
        same(lab)
    assert pings.lost() == []
    anew(lab, file)


def checked(lab: Lab) -> None:
    met = lab.fakevm("check", timeout=600)
    assert met.returncode == 0, met.stdout + met.stderr


def same(lab: Lab) -> None:
    told = lab.fakevm("lab", "diff", "--exit-code")
    assert told.returncode == 0, told.stdout + told.stderr


def anew(lab: Lab, file: Path) -> None:
    """Bring the lab up from its own export: it is as the file says, and its checks are met."""
    exported = lab.fakevm("lab", "export")
    assert exported.returncode == 0, exported.stderr
    again = file.with_name("exported.yaml")
    again.write_text(exported.stdout)
    assert lab.fakevm("lab", "down", lab.record.name).returncode == 0
    up = lab.labs.fakevm("lab", "up", str(again), timeout=600)
    assert up.returncode == 0, up.stderr
    lab = Lab(lab.labs, lab.labs.record(lab.record.name))
    told = lab.fakevm("lab", "diff", str(file), "--exit-code")
    assert told.returncode == 0, told.stdout + told.stderr
    checked(lab)
    assert lab.fakevm("lab", "down", lab.record.name).returncode == 0
