"""Neutron's answers in our words, and where Neutron and the broker are."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest

from fakevm.control.access import find_access
from fakevm.control.binding import describe, why_unbound
from fakevm.control.neutron import Neutron
from fakevm.control.transport import Answer, refusal
from fakevm.errors import FakevmError, InvalidInput, NotFound, Refused, Unreachable
from fakevm.model.lab import LabRecord


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, Refused), (403, Refused), (404, NotFound), (409, Refused), (500, Refused), (503, Unreachable)],
)
def test_a_refusal_carries_neutrons_own_words(status: int, kind: type[FakevmError]) -> None:
    error = refusal("create a port", status, "No more IP addresses", "http://x/v2.0/ports")
    assert type(error) is kind
    assert "No more IP addresses" in error.what


class Deleting:
    """A Neutron that knows no resource, in the words that it has for a network that is deleted just then (29.0.0)."""

    without_keystone = True

    def __init__(self, networks: str) -> None:
        self._networks = networks

    def request(self, method: str, path: str, what: str, body: Any = None, query: Any = None) -> Answer:
        if method == "POST":
            return Answer(404, "Not Found", path, b'{"NeutronError": {"message": "The resource could not be found."}}')
        return Answer(200, "OK", path, f'{{"networks": [{self._networks}]}}'.encode())


@pytest.mark.parametrize(
    ("networks", "said"),
    [("", "the network was deleted meanwhile"), ('{"id": "n"}', "The resource could not be found")],
)
def test_a_network_that_goes_while_its_port_is_made_is_named(networks: str, said: str) -> None:
    with pytest.raises(NotFound, match=said) as problem:
        Neutron(Deleting(networks)).create_ports([{"network_id": "n"}])
    assert "create a port on network n" in problem.value.what


AGENT: dict[str, Any] = {
    "agent_type": "Open vSwitch agent",
    "binary": "neutron-openvswitch-agent",
    "host": "compute1",
    "alive": True,
    "heartbeat_timestamp": "2026-01-01 00:00:00",
    "configurations": {"bridge_mappings": {"physnet1": "br-ex"}, "tunnel_types": ["vxlan"]},
}


@pytest.mark.parametrize(
    ("network", "agents", "reason"),
    [
        ({}, [], "no agent that wires ports"),
        ({}, [AGENT | {"binary": "neutron-dhcp-agent"}], "no agent that wires ports"),
        (
            {"provider:network_type": "vlan", "provider:physical_network": "other"},
            [AGENT | {"binary": "third-party-agent", "agent_type": "Third", "configurations": {}}],
            "Third on compute1 is alive and fits",
        ),
        ({}, [AGENT | {"alive": False}], "is down since 2026-01-01"),
        (
            {"provider:network_type": "vlan", "provider:physical_network": "other"},
            [AGENT],
            "'other' (it has: physnet1)",
        ),
        ({"provider:network_type": "geneve"}, [AGENT], "makes no geneve tunnels (it makes: vxlan)"),
        ({"provider:network_type": "vxlan"}, [AGENT], "no mechanism driver took the port"),
    ],
)
def test_a_failed_binding_is_explained(network: dict[str, Any], agents: list[dict[str, Any]], reason: str) -> None:
    assert reason in "; ".join(why_unbound("compute1", network, agents))


def test_a_port_is_described_for_its_host() -> None:
    port = {
        "id": "p", "mac_address": "fa:16:3e:00:00:01", "device_id": "My VM_1", "project_id": "x", "name": "",
        "fixed_ips": [{"subnet_id": "s", "ip_address": "10.0.0.5"}], "binding:host_id": "compute1",
        "binding:vif_type": "ovs", "binding:vif_details": {"ovs_hybrid_plug": False}, "binding:vnic_type": "normal",
        "binding:profile": {},
    }  # fmt: skip
    subnet = {
        "id": "s", "cidr": "10.0.0.0/24", "gateway_ip": "10.0.0.1", "enable_dhcp": True, "dns_nameservers": ["9.9.9.9"],
        "host_routes": [{"destination": "10.1.0.0/16", "nexthop": "10.0.0.2"}],
    }  # fmt: skip
    described = describe(port, {"id": "n", "name": "private", "mtu": 1450}, [subnet])
    assert described.hostname == "my-vm-1"
    assert described.mtu == 1450
    assert described.fixed_ips[0].prefix_length == 24
    assert described.fixed_ips[0].routes[0].nexthop == "10.0.0.2"


def _lab(name: str | None, state: Literal["starting", "up", "failed"] = "up") -> LabRecord:
    return LabRecord(
        name=name or "only", state=state, endpoint="http://lab", transport_url="rabbit://lab",
        directory=Path("/labs/only"), pid=1, release="", backend="", datapath="", hosts=(),
    )  # fmt: skip


def test_the_named_lab_comes_before_the_cloud_of_the_environment() -> None:
    cloud = {"OS_CLOUD": "prod"}
    found = find_access(lab="x", cloud=None, config_files=[], choose_lab=_lab, environment=cloud)
    assert (found.lab, found.transport_url) == (_lab("x"), "rabbit://lab")


def test_a_cloud_needs_a_broker() -> None:
    environment = {"OS_CLOUD": "prod"}
    with pytest.raises(InvalidInput, match="broker"):
        find_access(lab=None, cloud=None, config_files=[], choose_lab=_lab, environment=environment)
    environment["FAKEVM_TRANSPORT_URL"] = "rabbit://b"
    found = find_access(lab=None, cloud=None, config_files=[], choose_lab=_lab, environment=environment)
    assert (found.lab, found.transport_url) == (None, "rabbit://b")


def test_a_configuration_file_says_where_the_broker_is(tmp_path: Path) -> None:
    file = tmp_path / "neutron.conf"
    with pytest.raises(InvalidInput, match=r"neutron\.conf"):
        find_access(lab=None, cloud=None, config_files=[str(file)], choose_lab=_lab, environment={})
    file.write_text("[DEFAULT]\n")
    found = find_access(lab=None, cloud=None, config_files=[str(file)], choose_lab=_lab, environment={})
    assert found.transport_url is None
    assert found.lab == _lab(None)


def test_a_lab_that_is_starting_is_not_asked() -> None:
    with pytest.raises(Unreachable, match="starting"):
        find_access(lab=None, cloud=None, config_files=[], choose_lab=lambda n: _lab(n, "starting"), environment={})
