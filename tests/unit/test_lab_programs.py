"""Programs of a lab: their names, and faults of them in lab files."""

from __future__ import annotations

from pathlib import Path

import pytest

from fakevm.backend import base as backends
from fakevm.errors import Ambiguous, FakevmError, InvalidInput, NotFound
from fakevm.lab import form, planning, programs, reading
from fakevm.lab.parts import parts_of
from fakevm.lab.programs import Program
from fakevm.model.lab import HostRecord, LabRecord
from fakevm.model.labfile.fault import FaultFile


@pytest.fixture
def record(tmp_path: Path) -> LabRecord:
    """Write the folders of a lab's programs, as far as names need them."""
    there = ("neutron-api", "compute1", "compute2")
    on_hosts = ("neutron-openvswitch-agent", "neutron-fakevm-agent")
    folders = [tmp_path / "service" / name for name in there]
    folders += [tmp_path / "hosts" / host / "service" / name for host in there[1:] for name in on_hosts]
    folders.append(tmp_path / "hosts/compute2/service/neutron-dhcp-agent")
    for folder in folders:
        folder.mkdir(parents=True)
        (folder / "run").touch()
    hosts = tuple(
        HostRecord(name=name, release="", roles=(), management_address="", tunnel_address="") for name in there[1:]
    )
    return LabRecord(
        name="toy", directory=tmp_path, state="up", pid=1, endpoint="", transport_url="", release="", backend="",
        datapath="", hosts=hosts,
    )  # fmt: skip


def test_programs_are_found_as_status_names_them_each_once(record: LabRecord) -> None:
    found = programs.find(record, ["neutron-api", "compute1/neutron-fakevm-agent", "neutron-dhcp-agent", "neutron-api"])
    assert found == [
        Program("", "neutron-api"),
        Program("compute1", "neutron-fakevm-agent"),
        Program("compute2", "neutron-dhcp-agent"),
    ]
    assert [str(program) for program in found][:2] == ["neutron-api", "compute1/neutron-fakevm-agent"]


@pytest.mark.parametrize(
    ("word", "kind", "said"),
    [
        ("neutron-apy", NotFound, "Did you mean 'neutron-api'?"),
        ("compute1/neutron-fakevm-agnt", NotFound, "Did you mean 'compute1/neutron-fakevm-agent'?"),
        ("compute1", InvalidInput, "fakevm host stop|kill|start compute1"),
        ("neutron-fakevm-agent", Ambiguous, "compute1/neutron-fakevm-agent, compute2/neutron-fakevm-agent"),
        ("", NotFound, "There are: "),
        ("/", NotFound, "There are: "),
    ],
)
def test_a_name_that_fits_none_or_several_is_refused(
    record: LabRecord, word: str, kind: type[FakevmError], said: str
) -> None:
    with pytest.raises(kind) as refused:
        programs.find(record, [word])
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("{restart: compute1/neutron-openvswitch-agent}", ""),
        ("{restart: neutron-api}", ""),
        ("{stop: network1/neutron-dhcp-agent}", ""),
        ("{kill: neutron-rpc-server}", ""),
        ("{kill: compute1}", ""),
        ("{restart: compute1}", "there is no program 'compute1'"),
        ("{restart: compute3/ovs-vswitchd}", "(given: 'compute3/ovs-vswitchd'). Did you mean 'compute2'?"),
        ("{kill: compute}", "there is no host or program 'compute'. Did you mean 'compute2'?"),
        ("{stop: compute1/}", "which program of compute1?"),
        ("{cut: neutron-api}", "there is no host 'neutron-api'"),
        ("{restart: neutron-api, kill: compute1}", "give one of stop, kill, cut, restart and kill_zone"),
    ],
)
def test_faults_of_checks_name_hosts_and_programs(fault: str, said: str) -> None:
    text = f"checks: {{c: {{kind: ping, from: client, to: 203.0.113.1, during: {fault}}}}}"
    if not said:
        assert reading.parse(text, "file").checks["c"].during
        return
    with pytest.raises(InvalidInput) as refused:
        reading.parse(text, "file")
    assert said in str(refused.value)


def test_a_fault_says_what_it_is() -> None:
    fault = FaultFile.model_validate({"restart": "compute1/ovs-vswitchd"})
    assert (str(fault), fault.way, fault.target) == (
        "restart compute1/ovs-vswitchd",
        "restart",
        "compute1/ovs-vswitchd",
    )


@pytest.mark.parametrize("name", ["ovs", "ovn", "openflow", "linuxbridge"])
def test_lab_files_know_the_programs_of_every_lab(name: str, tmp_path: Path) -> None:
    backend = backends.load(name)
    lab = planning.completed(reading.parse(f"backend: {name}", "file"), backend)
    plan = planning.make_plan(lab, tmp_path, {lab.release: tmp_path}, kernel_datapath=False)
    hosts = {host.name for host in plan.hosts} | {"outside"}
    there = {program.name for part in parts_of(plan, backend) for program in part.programs()} - hosts
    assert there <= form.programs()
