"""What the backend openflow makes of a lab file; that it works is for tests/lab/test_openflow.py."""

from __future__ import annotations

import configparser
from pathlib import Path

import pytest

from fakevm.backend.openflow import OpenflowBackend
from fakevm.errors import InvalidInput
from fakevm.lab import files, host, planning, reading
from fakevm.model.plan import LabPlan

OPENFLOW = OpenflowBackend()


def plan_of(text: str = "") -> LabPlan:
    lab = reading.parse(f"backend: openflow\nfirewall: noop\n{text}", "lab.yaml")
    return planning.make_plan(lab, Path("/labs/x"), {lab.release: Path("/venv")}, kernel_datapath=False)


def test_switches_say_who_they_are_and_whom_they_obey() -> None:
    plan = plan_of("physical_networks: {one: {}}")
    script = OPENFLOW.host_files(plan, plan.hosts[1])["switch.sh"]
    assert "fail_mode=secure" in script
    assert "other_config:datapath-id=0000000000000002" in script
    assert "other_config:dp-desc=compute2 other_config:dp-sn=198.19.0.3" in script
    assert "set-controller br-int tcp:198.18.0.1:6653" in script
    assert "add-port br-int qfofakevm" in script
    assert "add-port br-int qfoone" in script


def test_one_bridge_of_its_own_joins_all_hosts() -> None:
    assert OPENFLOW.physical_bridges(plan_of()) == {"physnet1": "bfv-physnet1", "fakevm": "br-fakevm"}
    named = plan_of("physical_networks: {fakevm: {vlans: [5, 6]}}")
    assert OPENFLOW.physical_bridges(named) == {"fakevm": "br-fakevm"}
    assert OPENFLOW.ml2(named)["ml2_type_vlan"] == {"network_vlan_ranges": ["fakevm:5:6"]}
    assert OPENFLOW.ml2(plan_of())["ml2_type_vlan"] == {"network_vlan_ranges": ["physnet1:100:199", "fakevm:200:299"]}


def test_no_agent_of_neutrons_runs_but_for_roles() -> None:
    plan = plan_of()
    names = {h.name: [p.name for p in host.programs(plan, h, OPENFLOW)] for h in plan.hosts}
    assert names["compute1"] == ["ovsdb-server", "ovs-vswitchd", "neutron-fakevm-agent"]
    assert names["network1"] == ["ovsdb-server", "ovs-vswitchd", "neutron-dhcp-agent", "neutron-fakevm-agent"]


def test_neutron_finds_the_driver_in_the_folder_of_modules() -> None:
    folder = OPENFLOW.python_path[0]
    points = configparser.ConfigParser()
    assert points.read(next(folder.glob("*.dist-info/entry_points.txt")))
    driver = OPENFLOW.ml2(plan_of())["ml2"]["mechanism_drivers"]
    module, _, name = points["neutron.ml2.mechanism_drivers"][str(driver)].partition(":")
    assert f"class {name}(" in (folder / f"{module.replace('.', '/')}.py").read_text()
    (controller,) = OPENFLOW.lab_programs(plan_of())
    assert controller.environment["PYTHONPATH"] == str(folder)


def test_the_application_may_be_the_users_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "application" not in OPENFLOW.ml2(plan_of())["openflow"]
    module = plan_of("openflow: {application: some.module}")
    assert "application = some.module\n" in files.ini(OPENFLOW.ml2(module))
    monkeypatch.chdir(tmp_path)
    file = plan_of("openflow: {application: own.py}")
    with pytest.raises(InvalidInput, match=f"there is no file {tmp_path}/own.py"):
        OPENFLOW.check(file)
    (tmp_path / "own.py").touch()
    OPENFLOW.check(file)
    assert OPENFLOW.ml2(file)["openflow"]["application"] == f"{tmp_path}/own.py"


def test_what_it_cannot_do_is_refused() -> None:
    with pytest.raises(InvalidInput, match="cannot have the firewall iptables_hybrid"):
        OPENFLOW.check(plan_of("hosts: {a: {firewall: iptables_hybrid}}"))
    with pytest.raises(InvalidInput, match="no distributed routers"):
        OPENFLOW.check(plan_of("hosts: {a: {roles: [l3], l3_mode: dvr}}"))
    assert not OPENFLOW.runs_on("27.0.4")
    assert OPENFLOW.runs_on("28.0.2")
