"""Services that OVN has in its own way, and all of DevStack's beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .test_services import change, firewall, met, openstack, port, with_services

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .conftest import Lab, Labs

pytestmark = [pytest.mark.lab, pytest.mark.slow]

LAB = """\
backend: ovn
hosts: {all: {}}
services: [devstack, fwaas]
networks:
  private: {subnets: {private4: {cidr: 10.0.0.0/24}}}
  dmz: {subnets: {dmz4: {cidr: 10.1.0.0/24}}}
routers: {router1: {interfaces: [private4, dmz4]}}
security_groups: {web: {rules: [{protocol: icmp}, {protocol: tcp, ports: 80}]}}
guests:
  web1: {ports: [{network: private, security_groups: [web]}]}
  vm2: {ports: [{network: private, security_groups: [web]}]}
  far: {ports: [{network: dmz, security_groups: [web]}]}
checks:
  near: {kind: ping, from: vm2, to: web1, within: 60s}
  not near: {kind: ping, from: vm2, to: web1, within: 60s, expect: blocked}
  routed: {kind: ping, from: far, to: web1, within: 60s}
  web: {kind: tcp, from: far, to: web1, port: 80, within: 60s}
  no web: {kind: tcp, from: far, to: web1, port: 80, within: 60s, expect: blocked}
"""


@pytest.fixture(scope="module")
def lab(own_labs: Labs) -> Iterator[Lab]:
    """Bring up a lab with them."""
    yield from with_services(own_labs, LAB)


def test_fwaas_blocks_what_the_security_groups_let_pass(lab: Lab) -> None:
    assert met(lab, "routed", "web")
    group = firewall(lab)
    assert met(lab, "no web", "routed")
    change(lab, f"fwaas/firewall_groups/{group}", "firewall_group", ports=[])
    assert met(lab, "web")


def test_pvlan_keeps_isolated_ports_apart(lab: Lab) -> None:
    assert met(lab, "near")
    change(lab, f"networks/{openstack(lab, 'network', 'show', 'private')['id']}", "network", pvlan=True)
    for guest in ("web1", "vm2"):
        change(lab, f"ports/{port(lab, guest)}", "port", pvlan_type="isolated")
    assert met(lab, "not near")
    change(lab, f"ports/{port(lab, 'web1')}", "port", pvlan_type="promiscuous")
    assert met(lab, "near")
