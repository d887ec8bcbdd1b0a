"""What the backend ovn makes of a lab file; that it works is for tests/lab/test_ovn.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from fakevm.backend.ovn import OvnBackend
from fakevm.cli import lab as commands
from fakevm.doctor import programs
from fakevm.errors import InvalidInput, Prerequisite
from fakevm.lab import host, planning, reading
from fakevm.model.labfile import LabFile
from fakevm.model.plan import LabPlan

OVN = OvnBackend()


def plan_of(text: str = "") -> LabPlan:
    lab = planning.with_hosts(reading.parse(f"backend: ovn\n{text}", "lab.yaml"), OVN)
    return planning.make_plan(lab, Path("/labs/x"), {lab.release: Path("/venv")}, kernel_datapath=False)


def names_of(plan: LabPlan, index: int = 0) -> list[str]:
    return [program.name for program in host.programs(plan, plan.hosts[index], OVN)]


def test_a_file_without_hosts_gets_those_of_the_backend() -> None:
    assert [h.name for h in plan_of().hosts] == ["compute1", "compute2"]
    assert [h.name for h in plan_of("hosts: {one: {}}").hosts] == ["one"]


def test_roles_are_ovns_own() -> None:
    plan = plan_of("hosts: {a: {roles: [compute, dhcp, l3]}, b: {roles: [compute, metadata]}}")
    assert names_of(plan, 0) == ["ovsdb-server", "ovs-vswitchd", "ovn-controller", "neutron-fakevm-agent"]
    assert names_of(plan, 1) == [*names_of(plan, 0)[:3], "neutron-ovn-agent", "neutron-fakevm-agent"]
    assert OVN.ml2(plan)["ovn"]["ovn_metadata_enabled"] is True
    assert OVN.ml2(plan_of())["ovn"]["ovn_metadata_enabled"] is False


def test_a_host_knows_its_bridges_and_may_be_a_way_out() -> None:
    plan = plan_of("hosts: {a: {}, g: {roles: [gateway]}}\nphysical_networks: {one: {}, two: {}}")
    first, second = (OVN.host_files(plan, h)["switch.sh"] for h in plan.hosts)
    assert "external_ids:ovn-bridge-mappings=one:br-one,two:br-two" in first
    assert "external_ids:ovn-encap-ip=198.19.0.3" in second
    assert "external_ids:ovn-cms-options=enable-chassis-as-gw" in second
    assert "ovn-cms-options" not in first


@pytest.mark.parametrize(
    ("text", "ways_out"),
    [
        ("hosts: {a: {}, b: {roles: [gateway]}, c: {roles: [l3]}}", ["b"]),
        ("hosts: {a: {}, b: {roles: [dhcp, l3], l3_mode: dvr_snat}, c: {roles: [compute, l3], l3_mode: dvr}}", ["b"]),
        ("hosts: {a: {}, b: {}}", ["a", "b"]),
    ],
)
def test_a_lab_always_has_a_way_out(text: str, ways_out: list[str]) -> None:
    plan = plan_of(text)
    scripts = {h.name: OVN.host_files(plan, h)["switch.sh"] for h in plan.hosts}
    assert [name for name, script in scripts.items() if "enable-chassis-as-gw" in script] == ways_out


def test_the_word_for_distributed_routers_is_left_out() -> None:
    text = "backend: ovn\nhosts: {a: {}}\nnetworks: {n: {}}\nrouters: {one: {distributed: true, ha: true}, two: {}}"
    lab = planning.completed(reading.parse(text, "lab.yaml"), OVN)
    assert {name: (router.distributed, router.ha) for name, router in lab.routers.items()} == {
        "one": (False, True),
        "two": (False, False),
    }


@pytest.mark.parametrize("text", ["firewall: iptables_hybrid", "hosts: {a: {}, b: {firewall: noop}}"])
def test_a_firewall_that_ovn_has_not_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="the backend ovn always filters in Open vSwitch; the lab file asks for"):
        OVN.check(plan_of(text))


def test_a_missing_program_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(commands, "SEARCH_PATH", str(tmp_path))
    monkeypatch.setattr(programs, "PROGRAMS", ())
    with pytest.raises(Prerequisite, match=r"ovn-northd \(package ovn-central\), ovn-controller \(package ovn-host\)"):
        commands.need_programs(LabFile(backend="ovn"), OVN)


def test_a_release_whose_api_has_no_threads_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"ovn does not run with Neutron 25\.2\.3 \(2024\.2\)") as raised:
        planning.completed(reading.parse("backend: ovn\nrelease: 2024.2", "lab.yaml"), OVN)
    assert "26.0.6 (2025.1), 27.0.4 (2025.2)" in str(raised.value.hint)


def test_dhcp_without_a_gateway_has_an_address_to_answer_from() -> None:
    text = "networks: {n: {subnets: {s: {cidr: 10.1.0.0/24, gateway: none}}}}"
    assert OVN.ml2(plan_of(text))["ovn"]["ovn_metadata_enabled"] is True
    assert OVN.ml2(plan_of(text.replace("none", "auto")))["ovn"]["ovn_metadata_enabled"] is False
