"""What the backend linuxbridge makes of a lab file; that it works is for tests/lab/test_linuxbridge.py."""

from __future__ import annotations

from pathlib import Path

import pytest
from oslo_config import cfg

from fakevm.backend.linuxbridge import LinuxBridgeBackend
from fakevm.backend.ovs import OvsBackend
from fakevm.errors import InvalidInput, PlugFailed
from fakevm.lab import datapath, host, neutron, planning, reading
from fakevm.lab.features import reduction
from fakevm.lab.settle.settling import settle
from fakevm.model.labfile import LabFile
from fakevm.model.plan import LabPlan
from fakevm.model.port import Binding, Port
from fakevm.model.remark import Remark
from fakevm.vif.linuxbridge import LinuxBridgeVifDriver

# Of QoS Neutron's driver knows no more; local IPs and packet logs are flows of Open vSwitch.
ALWAYS = {"packet-rates", "minimum-bandwidth", "local-ips", "packet-logs"}
NETWORK = "7c9e6679-7425-40de-944b-e07fc1f90ae7"


@pytest.fixture
def backend() -> LinuxBridgeBackend:
    """A machine without VLAN devices, whose iptables sees what passes a bridge."""
    return machine(vlan=False, filters=True)


def machine(*, vlan: bool, filters: bool) -> LinuxBridgeBackend:
    made = LinuxBridgeBackend()
    made.vlan, made.filters, made.polices = vlan, filters, True
    return made


def completed(text: str, backend: LinuxBridgeBackend) -> LabFile:
    return planning.completed(reading.parse(f"backend: linuxbridge\n{text}", "lab.yaml"), backend)


def plan_of(text: str, backend: LinuxBridgeBackend) -> LabPlan:
    lab = completed(text, backend)
    return planning.make_plan(lab, Path("/labs/x"), {lab.release: Path("/venv")}, kernel_datapath=True)


# -- what the file leaves out --------------------------------------------------------------------------------------


def test_a_file_without_a_release_gets_the_last_that_has_it(backend: LinuxBridgeBackend) -> None:
    lab = completed("", backend)
    assert (lab.release, lab.firewall) == ("25.2.3", "iptables")
    assert {h.release for h in lab.hosts.values()} == {"25.2.3"}


@pytest.mark.parametrize("text", ["release: 2025.1", "hosts: {a: {release: 26.0.6}}"])
def test_a_later_release_is_refused_with_the_last_that_has_it(backend: LinuxBridgeBackend, text: str) -> None:
    with pytest.raises(InvalidInput, match=r"does not run with Neutron 26\.0\.6 \(2025\.1\)\n.*25\.2\.3 \(2024\.2\)\."):
        completed(text, backend)


def test_other_backends_go_on_with_the_defaults_of_the_file() -> None:
    lab = planning.completed(LabFile(), OvsBackend())
    assert (lab.release, lab.firewall) == (LabFile().release, "openvswitch")


# -- what is made --------------------------------------------------------------------------------------------------


def test_hosts_run_no_open_vswitch(backend: LinuxBridgeBackend) -> None:
    plan = plan_of("hosts: {a: {}, n: {roles: [dhcp, l3]}}", backend)
    run = [[program.name for program in host.programs(plan, h, backend)] for h in plan.hosts]
    assert run[0] == ["neutron-linuxbridge-agent", "neutron-fakevm-agent"]
    assert run[1] == ["neutron-linuxbridge-agent", "neutron-dhcp-agent", "neutron-l3-agent", "neutron-fakevm-agent"]
    written = host._configuration(plan, plan.hosts[1], backend)["linuxbridge_agent.ini"]
    assert "interface_driver = linuxbridge" in written
    assert "physical_interface_mappings = physnet1:qfophysnet1" in written
    assert "local_ip = 198.19.0.3" in written
    assert "firewall_driver = iptables" in written
    assert "addr add 198.19.0.3/16 dev underlay" in host._addresses(plan, plan.hosts[1])


def test_server_and_agents_are_told_that_the_experiment_is_wanted(backend: LinuxBridgeBackend) -> None:
    plan = plan_of("", backend)
    assert neutron.server_settings(plan, backend)["experimental"] == {"linuxbridge": True}
    assert backend.agent_settings(plan, plan.hosts[0])["experimental"] == {"linuxbridge": True}


# -- what the machine has not --------------------------------------------------------------------------------------

VLAN_NETWORK = "networks: {tagged: {type: vlan, physical_network: physnet1}}"


def test_without_vlan_devices_there_are_flat_networks_only(backend: LinuxBridgeBackend) -> None:
    plan = plan_of("", backend)
    assert backend.ml2(plan)["ml2"]["type_drivers"] == "flat,vxlan"
    assert "ml2_type_vlan" not in backend.ml2(plan)
    assert set(backend.lacks) == {"vlan", "trunks", *ALWAYS}
    (gap,) = backend.gaps(completed("", backend), kernel_datapath=True)
    assert isinstance(gap, Remark)
    assert gap.at == ("physical_networks", "physnet1")
    assert gap.what.startswith("physnet1: for flat networks only: this machine's kernel has no VLAN devices (8021q)")
    assert not backend.gaps(completed("physical_networks: {office: {}}", backend), kernel_datapath=True)
    left = reduction.without(completed(VLAN_NETWORK, backend), backend.lacks)
    assert left.left_out == {"vlan": ["network tagged"]}


def test_with_them_there_are_vlans() -> None:
    backend = machine(vlan=True, filters=True)
    plan = plan_of(VLAN_NETWORK, backend)
    backend.check(plan)
    assert backend.ml2(plan)["ml2_type_vlan"] == {"network_vlan_ranges": ["physnet1:100:199"]}
    assert set(backend.lacks) == ALWAYS
    assert not backend.gaps(completed(VLAN_NETWORK, backend), kernel_datapath=True)


def test_security_groups_that_would_not_filter_are_refused() -> None:
    backend = machine(vlan=True, filters=False)
    with pytest.raises(InvalidInput, match=r"security groups would not filter.*br_netfilter"):
        backend.check(plan_of("", backend))
    backend.check(plan_of("firewall: noop", backend))
    assert set(backend.lacks) == {"security-groups", *ALWAYS}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("firewall: iptables_hybrid", "cannot have the firewall iptables_hybrid\n.*take one of: iptables, noop"),
        ("hosts: {a: {roles: [l3], l3_mode: dvr_snat}}", "host 'a' cannot have l3_mode dvr"),
    ],
)
def test_what_linux_bridges_cannot_do_is_refused(backend: LinuxBridgeBackend, text: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        backend.check(plan_of(text, backend))


def test_open_vswitch_has_no_firewall_of_linux_bridges() -> None:
    lab = planning.completed(reading.parse("firewall: iptables", "lab.yaml"), OvsBackend())
    plan = planning.make_plan(lab, Path("/labs/x"), {lab.release: Path("/venv")}, kernel_datapath=True)
    with pytest.raises(InvalidInput, match="hosts with the backend ovs cannot have the firewall iptables"):
        OvsBackend().check(plan)


def test_routers_need_an_agent(backend: LinuxBridgeBackend) -> None:
    assert backend.routed_by_agents


def test_linux_bridges_forward_in_the_kernel() -> None:
    assert datapath.choose("auto", open_vswitch=False) is True
    lab = reading.parse("backend: linuxbridge\ndatapath: userspace\nfirewall: noop", "lab.yaml")
    with pytest.raises(InvalidInput, match="datapath: 'userspace' is Open vSwitch's"):
        settle(lab, kernel_datapath=True)


# -- the agent's half ----------------------------------------------------------------------------------------------


def port(**binding: object) -> Port:
    return Port(
        id="00000003-90ab-4cde-8f01-234567890abc",
        mac_address="fa:16:3e:00:00:03",
        mtu=1450,
        network_id=NETWORK,
        instance_id="i",
        binding=Binding(**{"host": "h1", "vif_type": "bridge", **binding}),  # type: ignore[arg-type]
    )


def test_a_port_of_open_vswitch_is_refused() -> None:
    driver = LinuxBridgeVifDriver(cfg.ConfigOpts())
    driver.check(port())
    with pytest.raises(PlugFailed, match="its vif_type is 'ovs', this agent knows bridge"):
        driver.check(port(vif_type="ovs"))


def test_nobody_can_tell_whether_a_port_is_wired_before_its_binding_is_active() -> None:
    assert LinuxBridgeVifDriver(cfg.ConfigOpts()).taken(port(status="INACTIVE")) is None
