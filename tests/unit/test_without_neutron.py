"""A lab without Neutron: what its file may say, what it is made of, what commands say that need one."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path
from typing import Any

import pytest

from fakevm.agent import plugin
from fakevm.backend import base as backends
from fakevm.control import neutron as neutrons
from fakevm.control.access import Access
from fakevm.control.agents import Agents
from fakevm.errors import AgentDown, InvalidInput, NotFound, PlugFailed
from fakevm.lab import doors, export, host, matrix, planning, reading
from fakevm.lab.parts import parts_of
from fakevm.lab.problem import InvalidFile
from fakevm.lab.settle.settling import Settled, settle
from fakevm.model.lab import HostRecord, LabRecord
from fakevm.model.port import Binding, Port
from fakevm.rpc.contract import AGENT_TYPE, VERSION
from fakevm.rpc.socket import Server


def settled(tmp_path: Path, text: str, **instead: str) -> Settled:
    file = tmp_path / "lab.yaml"
    file.write_text(text)
    written = reading.load(file, **instead)
    return settle(written.lab, kernel_datapath=True, place=written.place)


def told(tmp_path: Path, text: str, **instead: str) -> list[tuple[int | None, str]]:
    with pytest.raises(InvalidFile) as refused:
        settled(tmp_path, text, **instead)
    return [(problem.line, problem.path) for problem in refused.value.problems]


NEUTRONS = """\
neutron: false
release: 2026.1
firewall: noop
hosts:
  a: {roles: [compute, dhcp]}
  b: {l3_mode: dvr}
networks:
  private: {}
security_groups: {web: {}}
guests:
  vm1:
    ports: [private]
    user_data: hello
checks:
  way: {kind: path, from: vm1, to: vm1, hosts: [a]}
"""


def test_what_is_neutrons_is_told_with_its_line(tmp_path: Path) -> None:
    assert told(tmp_path, NEUTRONS) == [
        (2, "release"),
        (3, "firewall"),
        (5, "hosts.a.roles"),
        (6, "hosts.b.l3_mode"),
        (7, "networks"),
        (9, "security_groups"),
        (12, "guests.vm1.ports"),
        (13, "guests.vm1.user_data"),
        (15, "checks.way.kind"),
    ]


def test_a_network_that_the_file_lacks_is_no_second_error(tmp_path: Path) -> None:
    assert told(tmp_path, "neutron: false\nguests: {vm1: {ports: [private]}}\n") == [(2, "guests.vm1.ports")]


def test_a_backend_cannot_be_chosen(tmp_path: Path) -> None:
    assert told(tmp_path, "neutron: false\n", backend="ovn") == [(None, "")]
    with pytest.raises(InvalidFile, match="no backend 'none'"):
        reading.parse("backend: none\n", "file")
    assert "none" not in backends.installed_names()


def test_the_hosts_of_a_file_that_names_none_are_known(tmp_path: Path) -> None:
    text = "neutron: false\nguests: {{vm1: {{host: {host}, ports: []}}}}\n"
    with pytest.raises(InvalidFile, match="no compute host 'compute1'"):
        reading.parse(text.format(host="compute1"), "file")


def test_it_is_a_shorter_list_of_parts(tmp_path: Path) -> None:
    plan = planning.placed(settled(tmp_path, "neutron: false\n").plan, tmp_path, {})
    backend = backends.load(plan.backend)
    parts = parts_of(plan, backend)
    assert [part.name for part in parts] == ["network", "hosts"]
    assert [program.name for part in parts for program in part.programs()] == ["host1"]
    (agent,) = [program for part in parts for program in part.inner_programs()]
    assert (agent.name, agent.held, "neutron.conf" in " ".join(agent.command)) == ("neutron-fakevm-agent", False, False)
    host.write(plan, plan.hosts[0], backend, tmp_path)
    written = sorted(path.name for path in (tmp_path / "hosts/host1").glob("*.*"))
    assert written == ["addresses.batch", "devices.txt", "fakevm.ini", "links.batch", "links.txt"]
    assert "socket = /run/fakevm/hosts/host1/agent/socket" in (tmp_path / "hosts/host1/fakevm.ini").read_text()


def test_it_has_no_doors() -> None:
    with contextlib.ExitStack() as held:
        assert doors.ports(doors.listen(0, set(), held)) == (0, 0, 0, 0, 0)
        api, *others = doors.listen(0, {"api"}, held)
        assert all(doors.ports(doors.Doors(api, *others))[at] == 0 for at in (1, 2, 3, 4))
        with socket.socket(fileno=api) as door:
            assert door.detach() == api
        with pytest.raises(InvalidInput, match="--api-port"):
            doors.listen(9696, {""}, held)


def test_its_file_is_written_as_it_was(tmp_path: Path) -> None:
    lab = settled(tmp_path, "name: x\nneutron: false\n").lab
    text = export.written(lab)
    assert text.splitlines()[:2] == ["name: x", "neutron: false"]
    assert "none" not in text
    assert settled(tmp_path, text).lab == lab


def test_there_is_nothing_to_try_it_with(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="without Neutron"):
        matrix.variants(settled(tmp_path, "neutron: false\n").lab, {"backend": ["ovs", "ovn"]})


# -- commands --------------------------------------------------------------------------------------------------


@pytest.fixture
def lab(tmp_path: Path) -> LabRecord:
    hosts = tuple(
        HostRecord(
            name=name, release="", roles=("compute",), management_address="", tunnel_address="",
            agents=("neutron-fakevm-agent",),
        )
        for name in ("host1", "host2")
    )  # fmt: skip
    return LabRecord(
        name="lab", directory=tmp_path, state="up", pid=1, release="", backend="none", datapath="kernel", hosts=hosts
    )


def test_commands_that_need_neutron_say_so(lab: LabRecord) -> None:
    neutron = neutrons.connect(Access(lab=lab))
    with pytest.raises(NotFound, match="cannot look up the network 'private': lab 'lab' has no Neutron"):
        neutron.find_network("private")


def test_the_agents_are_asked_themselves(lab: LabRecord) -> None:
    def answer(verb: str, arguments: Any) -> dict[str, Any]:
        return {"result": []}

    lab.host_directory("host1").mkdir(parents=True)
    server = Server(lab.agent_socket("host1"), answer, {"version": "1"})
    server.start()
    access = Access(lab=lab)
    agents = Agents(access, neutrons.connect(access))
    assert agents.alive() == ["host1"]
    assert agents.known()["host1"]["configurations"] == {"version": "1", "rpc_version": VERSION}
    assert agents.known()["host1"]["agent_type"] == AGENT_TYPE
    assert agents.list_vifs("host1") == []
    with pytest.raises(AgentDown, match=r"on host2 is down: it does not run"):
        agents.list_vifs("host2")
    with pytest.raises(NotFound, match="no host 'host3'"):
        agents.list_vifs("host3")
    assert agents.why_down("host2") == "agent down: it does not run"
    server.stop()
    with pytest.raises(AgentDown, match="on host1 is down: it does not run"):
        agents.list_vifs("host1")


def test_its_agent_plugs_no_port() -> None:
    driver = plugin.load("none", None)
    port = Port(
        id="p", mac_address="fa:16:3e:00:00:03", mtu=1450, network_id="n", instance_id="i",
        binding=Binding(host="h", vif_type="ovs"),
    )  # fmt: skip
    with pytest.raises(PlugFailed, match="without Neutron"):
        driver.check(port)
