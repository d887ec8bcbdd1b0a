"""A router that is on no other host moves by itself off a dead one, where Neutron is told so, and only there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .conftest import Lab, Labs

pytestmark = [pytest.mark.lab, pytest.mark.slow]

# Neutron takes an agent for dead after half a minute here, and looks for such now and then.
LAB = """\
hosts:
  compute1: {}
  network1: {roles: [l3]}
  network2: {roles: [l3]}
config: {server: {DEFAULT: {allow_automatic_l3agent_failover: WANTED}}}
physical_networks: {external: {}}
networks:
  public:
    {type: flat, physical_network: external, external: true, subnets: {public4: {cidr: 203.0.113.0/24, dhcp: false}}}
  private: {subnets: {private4: {cidr: 10.0.0.0/24, dhcp: false}}}
routers: {router1: {interfaces: [private4], external_gateway: public}}
guests: {vm1: {ports: [private]}}
checks:
  out: {kind: ping, from: vm1, to: client, within: 60s}
  network1 dies: {kind: outage, from: vm1, to: client, during: {kill: network1}, at_most: 150s}
  network2 dies: {kind: outage, from: vm1, to: client, during: {kill: network2}, at_most: 150s}
"""


def home(lab: Lab) -> str:
    """Find the host that a router is on."""
    done = lab.openstack("network", "agent", "list", "--router", "router1", "-f", "json")
    (agent,) = json.loads(done.stdout)
    return str(agent["Host"])


@pytest.mark.parametrize("wanted", ["true", "false"])
def test_a_router_leaves_a_dead_host_where_that_is_wanted(labs: Labs, wanted: str) -> None:
    file = labs.folder / "lab.yaml"
    file.write_text(LAB.replace("WANTED", wanted))
    lab = labs.up("failover", str(file))
    assert lab.fakevm("check", "--only", "out").returncode == 0
    before = home(lab)
    measured = lab.fakevm("check", "--only", f"{before} dies")
    print(measured.stdout)
    assert (measured.returncode == 0) is (wanted == "true"), measured.stdout + measured.stderr
    assert (home(lab) != before) is (wanted == "true")
