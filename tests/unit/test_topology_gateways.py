"""What dnsmasq's options say of the way to the metadata service."""

from __future__ import annotations

from pathlib import Path

from fakevm.lab import reading
from fakevm.lab.topology.gateways import elsewhere, waited_for
from fakevm.model.lab import HostRecord, LabRecord

ROUTED, ISOLATED = "11111111-2222-3333-4444-555555555555", "66666666-7777-8888-9999-000000000000"
# As Neutron 29.0.0 writes them.
OPTIONS = """\
tag:subnet-{subnet},option:dns-server,10.0.0.2
tag:subnet-{subnet},option:classless-static-route,169.254.169.254/32,{by},0.0.0.0/0,10.0.0.1
tag:subnet-{subnet},249,169.254.169.254/32,{by},0.0.0.0/0,10.0.0.1
tag:subnet-{subnet},option:router,10.0.0.1
"""


def test_guests_of_a_routed_subnet_are_sent_to_their_gateway() -> None:
    gateways = {ROUTED: "10.0.0.1"}
    assert elsewhere(OPTIONS.format(subnet=ROUTED, by="10.0.0.1"), gateways) == set()
    assert elsewhere(OPTIONS.format(subnet=ROUTED, by="10.0.0.2"), gateways) == {ROUTED}


def test_a_subnet_without_a_router_and_a_server_that_is_not_there_are_right_as_they_are() -> None:
    assert elsewhere(OPTIONS.format(subnet=ISOLATED, by="10.0.0.2"), {ROUTED: "10.0.0.1"}) == set()
    assert elsewhere("", {ROUTED: "10.0.0.1"}) == set()


def test_an_agent_that_is_to_keep_all_guests_is_not_waited_for() -> None:
    """Neutron's force_metadata: its servers never send them to a router."""
    force, leave = ({"dhcp_agent": {"DEFAULT": {"force_metadata": value}}} for value in (True, "false"))
    roles = {"roles": ["compute", "dhcp", "metadata"]}
    agents = ("neutron-dhcp-agent", "neutron-metadata-agent")
    named = {"h1": (agents, {}), "h2": (agents, {"config": leave}), "h3": (agents[:1], {})}
    hosts = tuple(HostRecord(name, "29.0.0", (), "", "", have) for name, (have, _) in named.items())
    record = LabRecord("x", Path("/labs/x"), "up", 1, "29.0.0", "ovs", "userspace", hosts)
    file = {"hosts": {name: roles | own for name, (_, own) in named.items()}}
    assert waited_for(record, reading.parse_mapping(file, "file")) == ["h1", "h2"]
    assert waited_for(record, reading.parse_mapping({**file, "config": force}, "file")) == ["h2"]
