"""From a lab file to what is written: the plan, its files, the supervised programs."""

from __future__ import annotations

import configparser
import ipaddress
import stat
import subprocess
from pathlib import Path

import pytest

from fakevm.backend import base
from fakevm.backend.ovs import OvsBackend
from fakevm.errors import InvalidInput, NotFound
from fakevm.lab import broker, database, event_receiver, files, host, neutron, planning, reading
from fakevm.linux import supervision
from fakevm.model.labfile import LabFile
from fakevm.model.plan import LabPlan
from fakevm.model.program import Program


def plan_of(text: str = "", *, kernel: bool = False) -> LabPlan:
    lab = reading.parse(text, "lab.yaml")
    return planning.make_plan(lab, Path("/labs/x"), {lab.release: Path("/venv")}, kernel_datapath=kernel)


@pytest.fixture
def plan() -> LabPlan:
    return plan_of()


def parsed(text: str) -> dict[str, dict[str, str]]:
    parser = configparser.RawConfigParser()
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(text)
    return {section: dict(parser[section]) for section in parser.sections()}


def test_hosts_have_addresses_and_the_labs_settings() -> None:
    plan = plan_of("firewall: noop\nhosts:\n  a: {}\n  b: {firewall: openvswitch}\n")
    assert [(h.name, h.index, h.management_address, h.tunnel_address, h.firewall) for h in plan.hosts] == [
        ("a", 1, "198.18.0.2", "198.19.0.2", "noop"),
        ("b", 2, "198.18.0.3", "198.19.0.3", "openvswitch"),
    ]
    assert plan.management_address == "198.18.0.1"


def test_three_hundred_hosts_have_addresses_of_their_own() -> None:
    plan = plan_of("hosts:\n" + "".join(f"  h{n}: {{}}\n" for n in range(300)))
    addresses = {h.management_address for h in plan.hosts} | {h.tunnel_address for h in plan.hosts}
    assert len(addresses) == 600
    assert all(ipaddress.ip_address(a) in ipaddress.ip_network("198.18.0.0/15") for a in addresses)


def test_passwords_are_made_anew_and_need_no_quotes() -> None:
    plans = [plan_of() for _ in range(20)]
    passwords = {p.broker_password for p in plans} | {p.database_password for p in plans}
    assert len(passwords) == 40
    assert all(len(p) == 24 and p.replace("-", "").replace("_", "").isalnum() for p in passwords)


@pytest.mark.parametrize(
    "networks", ["{provider-network-1: {}, provider-network-2: {}}", "{int: {}}", "{tun: {}}", "{underlay: {}}"]
)
def test_physical_networks_whose_devices_would_clash(networks: str) -> None:
    with pytest.raises(InvalidInput, match="needs a device"):
        plan_of(f"physical_networks: {networks}")


def test_ini() -> None:
    text = files.ini({"DEFAULT": {"flag": True, "off": False, "number": 3, "many": ["a", "b"]}, "s": {"empty": ""}})
    assert text == "[DEFAULT]\nflag = true\noff = false\nnumber = 3\nmany = a,b\n\n[s]\nempty = \n"


def test_files_are_private_from_the_first_byte_on(tmp_path: Path) -> None:
    path = tmp_path / "deep/secret"
    files.write(path, "one")
    files.write(path, "two")
    assert path.read_text() == "two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [p.name for p in path.parent.iterdir()] == ["secret"]


def test_server_configuration(plan: LabPlan) -> None:
    settings = parsed(files.ini(neutron.server_settings(plan, OvsBackend())))
    assert settings["database"]["connection"] == database.url(plan)
    assert parsed(files.ini(OvsBackend().ml2(plan))) == {
        "ml2": {
            "mechanism_drivers": "openvswitch",
            "type_drivers": "flat,vlan,vxlan",
            "tenant_network_types": "vxlan,vlan",
            "extension_drivers": "port_security,qos",
        },
        "ml2_type_flat": {"flat_networks": "*"},
        "ml2_type_vlan": {"network_vlan_ranges": "physnet1:100:199"},
        "ml2_type_vxlan": {"vni_ranges": "1:10000"},
    }


@pytest.mark.parametrize(("release", "driver"), [("29.0.0", "mysqldb"), ("28.0.2", "mysqldb"), ("27.0.4", "pymysql")])
def test_a_driver_in_c_is_for_releases_without_eventlet(release: str, driver: str) -> None:
    assert database.url(plan_of(f"release: {release}")).startswith(f"mysql+{driver}://")


def test_a_flat_network_has_no_vlan_range() -> None:
    plan = plan_of("physical_networks: {ext: {}, tagged: {vlans: [5, 7]}}")
    assert OvsBackend().ml2(plan)["ml2_type_vlan"]["network_vlan_ranges"] == ["ext", "tagged:5:7"]
    settings = OvsBackend().agent_settings(plan, plan.hosts[0])
    assert settings["ovs"]["bridge_mappings"] == ["ext:br-ext", "tagged:br-tagged"]


@pytest.mark.parametrize(("kernel", "kind"), [(True, "system"), (False, "netdev")])
def test_switch_follows_the_datapath(kernel: bool, kind: str) -> None:
    plan = plan_of(kernel=kernel)
    first = plan.hosts[0]
    settings = OvsBackend().agent_settings(plan, first)
    assert settings["ovs"]["datapath_type"] == kind
    script = OvsBackend().host_files(plan, first)["switch.sh"]
    assert f"set bridge br-physnet1 datapath_type={kind}" in script
    # in user space the tunnel's address is on a bridge's internal port, in the kernel on the link itself
    assert (f"ip addr replace {first.tunnel_address}/16" in script) is not kernel
    subprocess.run(["sh", "-n"], input=script, text=True, check=True)


def test_roles_decide_on_the_agents() -> None:
    plan = plan_of("hosts:\n  c: {}\n  n: {roles: [dhcp]}\n")
    backend = OvsBackend()
    agents = {h.name: set(host.record(plan, h, backend).agents) for h in plan.hosts}
    assert agents["n"] - agents["c"] == {"neutron-dhcp-agent"}
    assert agents["c"] == {"neutron-openvswitch-agent", "neutron-fakevm-agent"}
    for h in plan.hosts:
        programs = {p.name: p for p in host.programs(plan, h, backend)}
        assert agents[h.name] <= set(programs)
        assert not programs["ovsdb-server"].held
        assert all(programs[agent].held for agent in agents[h.name])


def test_neutrons_agent_meets_bridges_as_it_would_leave_them(plan: LabPlan) -> None:
    for firewall, more in (("openvswitch", "OpenFlow11,OpenFlow12,"), ("iptables_hybrid", "")):
        first = plan.hosts[0].model_copy(update={"firewall": firewall})
        script = OvsBackend().host_files(plan, first)["switch.sh"]
        for bridge in ("br-int", "br-tun", "br-physnet1"):
            wanted = f"OpenFlow10,{more if bridge == 'br-int' else ''}OpenFlow13,OpenFlow14"
            assert f"set bridge {bridge} datapath_type=netdev fail_mode=secure protocols={wanted} " in script
            assert f"set-controller {bridge} tcp:127.0.0.1:6634 -- set controller {bridge} max_backoff=1000 " in script


def test_backends_are_found_by_name() -> None:
    assert isinstance(base.load("ovs"), OvsBackend)
    with pytest.raises(NotFound, match="Installed backends: linuxbridge, openflow, ovn, ovs"):
        base.load("magic")


def test_broker_listens_with_the_labs_own_password(plan: LabPlan, tmp_path: Path) -> None:
    broker.write(plan, tmp_path)
    text = (tmp_path / "broker/rabbitmq.config").read_text()
    assert f'{{default_pass, <<"{plan.broker_password}">>}}' in text
    assert plan.transport_url == f"rabbit://fakevm:{plan.broker_password}@198.18.0.1:5672/"


def test_only_who_needs_a_descriptor_keeps_it(plan: LabPlan) -> None:
    programs = (*broker.programs(), *event_receiver.programs(), *neutron.programs(plan, OvsBackend()))
    kept = {program.name: program.descriptors for program in programs if program.descriptors}
    assert kept == {"broker-relay": (4,), "events": (5,), "neutron-api": (3,)}


def test_neutrons_programs_find_the_modules_of_a_backend(plan: LabPlan) -> None:
    class Own(OvsBackend):
        python_path = (Path("/one"), Path("/two"))

    network1 = next(h for h in plan.hosts if "dhcp" in h.roles)
    programs = (*neutron.programs(plan, Own()), *host.programs(plan, network1, Own()))
    told = {program.name for program in programs if program.environment.get("PYTHONPATH") == "/one:/two"}
    assert told == {"neutron-api", "neutron-rpc-server", "neutron-periodic-workers", "neutron-dhcp-agent"}
    assert not [p for p in neutron.programs(plan, OvsBackend()) if "PYTHONPATH" in p.environment]


def test_run_script_does_what_it_says(tmp_path: Path) -> None:
    program = Program(
        name="p",
        command=("sh", "-c", 'echo "$WORDS|$1|$BEFORE"; [ -e /proc/self/fd/3 ] || echo closed', "sh", "a b$"),
        before=("BEFORE=yes; export BEFORE",),
        environment={"WORDS": 'it\'s "so" $HOME'},
        descriptors=(4,),
    )
    log = tmp_path / "the log"
    text = supervision.render(program, str(log))
    assert "3<&- 5<&-" in text
    assert "4<&-" not in text
    subprocess.run(["sh", "-c", text], check=True, cwd=tmp_path)
    assert log.read_text() == 'it\'s "so" $HOME|a b$|yes\nclosed\n'


@pytest.mark.parametrize("held", [True, False])
def test_held_programs_wait(tmp_path: Path, held: bool) -> None:
    supervision.write(tmp_path, Program(name="p", command=("true",), held=held), "/dev/null")
    assert (tmp_path / "p/down").exists() is held
    assert (tmp_path / "p/run").stat().st_mode & 0o100
    assert supervision.deaths(tmp_path) == {"p": 0}


def test_deaths_are_counted(tmp_path: Path) -> None:
    supervision.write(tmp_path, Program(name="p", command=("true",)), "/dev/null")
    (tmp_path / "p/supervise").mkdir()
    (tmp_path / "p/supervise/death_tally").write_bytes(bytes(3 * 14))
    assert supervision.deaths(tmp_path) == {"p": 3}


def test_default_lab_file_is_valid_when_written_out() -> None:
    assert reading.parse_mapping(LabFile().model_dump(), "default") == LabFile()
