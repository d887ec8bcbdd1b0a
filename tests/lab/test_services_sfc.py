"""Chains of ports (networking-sfc), beside all services of DevStack."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .conftest import awaited
from .test_services import PROJECT, make, met, port, with_services

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .conftest import Lab, Labs

pytestmark = [pytest.mark.lab, pytest.mark.slow]

LAB = """\
hosts: {all: {roles: [compute, dhcp, l3]}}
services: [devstack, sfc]
networks: {private: {subnets: {private4: {cidr: 10.0.0.0/24}}}}
security_groups: {open: {rules: [{protocol: icmp}]}}
guests:
  vm1: {ports: [{network: private, security_groups: [open], fixed_ips: [10.0.0.11]}]}
  vm2: {ports: [{network: private, security_groups: [open], fixed_ips: [10.0.0.12]}]}
  middle: {ports: [{network: private, security_groups: [open], fixed_ips: [10.0.0.13]}]}
checks: {direct: {kind: ping, from: vm1, to: vm2, within: 60s}}
"""


@pytest.fixture(scope="module")
def lab(own_labs: Labs) -> Iterator[Lab]:
    """Bring up a lab with them."""
    yield from with_services(own_labs, LAB)


def test_a_chain_leads_packets_to_its_ports(lab: Lab) -> None:
    capture = ("timeout", "20", "tcpdump", "-c", "1", "-n", "icmp", "and", "dst", "host", "10.0.0.12")

    def seen() -> bool:
        with lab.labs.begin("--lab", "services", "exec", "middle", "--", *capture) as watching:
            lab.fakevm("exec", "vm1", "--", "ping", "-c", "15", "-i", "0.5", "10.0.0.12")
            said, _ = watching.communicate(timeout=120)
        return "ICMP echo request" in said

    assert met(lab, "direct")
    assert not seen()
    middle = port(lab, "middle")
    pair = make(lab, "sfc/port_pairs", "port_pair", project_id=PROJECT, ingress=middle, egress=middle)["id"]
    group = make(lab, "sfc/port_pair_groups", "port_pair_group", project_id=PROJECT, port_pairs=[pair])["id"]
    wanted = {"protocol": "icmp", "ethertype": "IPv4", "source_ip_prefix": "10.0.0.11/32"}
    source = {"project_id": PROJECT, "logical_source_port": port(lab, "vm1")}
    flow = make(lab, "sfc/flow_classifiers", "flow_classifier", **source, **wanted)["id"]
    chain = {"port_pair_groups": [group], "flow_classifiers": [flow]}
    make(lab, "sfc/port_chains", "port_chain", project_id=PROJECT, **chain)
    assert awaited(seen, True, 120)
