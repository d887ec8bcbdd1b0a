"""Services of Neutron's in lab files: what each program is told for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from fakevm import release
from fakevm.backend import base as backends
from fakevm.errors import InvalidInput
from fakevm.lab import files, host, neutron, reading
from fakevm.lab.apply.difference import difference
from fakevm.lab.problem import InvalidFile
from fakevm.lab.services import loading
from fakevm.lab.services.known import KNOWN, SETS
from fakevm.lab.settle.settling import Settled, settle
from fakevm.model.labfile import LabFile
from fakevm.testing.tree import package

OTHER = "{name: o, providers: ['%s']}"
HOSTS = "hosts: {a: {roles: [compute, dhcp, l3]}}\n"


def settled(folder: Path, text: str) -> Settled:
    """Read a lab file, and settle it."""
    file = folder / "lab.yaml"
    file.write_text(HOSTS + text)
    written = reading.load(file)
    return settle(written.lab, kernel_datapath=False, place=written.place)


def told(found: Settled, folder: Path) -> dict[str, str]:
    """Give what stands in the files of the server and of the host."""
    neutron.write(found.plan, found.backend, folder)
    written = host._configuration(found.plan, found.plan.hosts[0], found.backend)
    server = {name: (folder / "neutron" / name).read_text() for name in ("neutron.conf", "ml2.ini")}
    return {**{name: text for name, text in written.items() if name.endswith("_agent.ini")}, **server}


def lines(text: str, name: str) -> list[str]:
    """List the values of an option."""
    return [line.partition(" = ")[2] for line in text.splitlines() if line.startswith(f"{name} = ")]


def test_a_lab_without_services_is_told_what_it_always_was(tmp_path: Path) -> None:
    without = told(settled(tmp_path, ""), tmp_path)
    assert lines(without["neutron.conf"], "service_plugins") == ["router,qos,trunk"]
    assert lines(without["ml2.ini"], "extension_drivers") == ["port_security,qos"]
    assert lines(without["ovs_agent.ini"], "extensions") == ["qos"]
    assert lines(without["l3_agent.ini"], "extensions") == []
    assert "service_providers" not in without["neutron.conf"]


def test_services_are_loaded_where_they_belong(tmp_path: Path) -> None:
    found = told(settled(tmp_path, "services: [port_forwarding, dns, log]\n"), tmp_path)
    assert lines(found["neutron.conf"], "service_plugins") == ["router,qos,trunk,port_forwarding,log"]
    assert lines(found["neutron.conf"], "dns_domain") == ["lab.test"]
    assert lines(found["ml2.ini"], "extension_drivers") == ["port_security,qos,dns_domain_ports"]
    assert lines(found["ovs_agent.ini"], "extensions") == ["qos,log"]
    assert lines(found["l3_agent.ini"], "extensions") == ["port_forwarding"]
    assert lines(found["dhcp_agent.ini"], "extensions") == []


def test_a_service_brings_agents_to_hosts_of_its_role(tmp_path: Path) -> None:
    read = settled(tmp_path, "services: [metering, bgp]\n")
    (planned,) = read.plan.hosts
    names = [program.name for program in host.programs(read.plan, planned, read.backend)]
    assert {"neutron-metering-agent", "neutron-bgp-dragent"} <= set(names)
    assert set(host.record(read.plan, planned, read.backend).agents) >= {
        "neutron-metering-agent",
        "neutron-bgp-dragent",
    }
    found = told(read, tmp_path)
    assert lines(found["metering_agent.ini"], "driver") == ["iptables", "log"]
    assert lines(host._configuration(read.plan, planned, read.backend)["bgp_dragent.ini"], "bgp_router_id") == [
        planned.management_address
    ]
    others = planned.model_copy(update={"roles": ("compute", "dhcp")})
    assert loading.agents(read.plan, others) == ()


def test_a_backend_has_services_in_its_own_way(tmp_path: Path) -> None:
    text = "services: [fwaas, {name: mine, agents: {neutron-mine-agent: [compute, dhcp]}}]\n"
    of_ovn = settled(tmp_path, f"backend: ovn\n{text}").plan
    assert [one.l3_extensions for one in of_ovn.services] == [(), ()]
    assert "OVNFwaasDriver" in of_ovn.services[0].providers[0]
    assert settled(tmp_path, text).plan.services[0].l3_extensions == ("fwaas_v2",)
    assert loading.agents(of_ovn, of_ovn.hosts[0]) == ("neutron-mine-agent",)


@pytest.mark.parametrize("written", ["devstack", "[devstack]", "[log, devstack]"])
def test_a_set_is_what_the_backend_and_the_release_can_have_of_it(tmp_path: Path, written: str) -> None:
    ovs = {one.name for one in settled(tmp_path, f"services: {written}\n").plan.services}
    ovn = {one.name for one in settled(tmp_path, f"backend: ovn\nservices: {written}\n").plan.services}
    old = {one.name for one in settled(tmp_path, f"release: 2024.2\nservices: {written}\n").plan.services}
    assert ovs - ovn == {"local_ip", "metering", "conntrack_helper", "ndp_proxy"}
    assert ovn - ovs == {"pvlan"}
    assert ovs - old == {"uplink_status_propagation_updatable"}


@pytest.mark.parametrize("services", ["devstack", "[fwaas, taas]"])
def test_a_lab_that_runs_has_the_services_that_its_file_named(tmp_path: Path, services: str) -> None:
    text = (
        f"services: {services}\nnetworks: {{private: {{subnets: {{private4: {{cidr: 10.0.0.0/24}}}}}}}}\n"
        "guests: {web: {ports: [private]}}\n"
    )
    lab = settled(tmp_path, text).lab
    # As it is kept, it says all defaults.
    kept = LabFile.model_validate_json(lab.model_dump_json(by_alias=True))
    assert loading.of(kept) == loading.of(lab)
    assert loading.packages(kept) == loading.packages(lab)
    assert list(difference(kept, lab, {"web": "a"}).steps()) == []


def test_a_service_of_one_s_own_is_all_that_it_says(tmp_path: Path) -> None:
    mine = package(tmp_path / "mine")
    service = (
        "{name: mine, service_plugins: [mine], mechanism_drivers: [mine], l2_extensions: [mine],"
        " l3_extensions: [other], providers: ['A:b:c:default', 'D:e:f'], packages: [./mine],"
        " config: {server: {mine: {greeting: hello}}}}"
    )
    read = settled(tmp_path, f"services: [{service}]\npackages: [a]\n")
    assert loading.packages(read.lab) == ("a", str(mine))
    assert read.plan.release == release.derive(release.DEFAULT, packages=("a", str(mine))).name
    found = told(read, tmp_path)
    assert lines(found["neutron.conf"], "service_plugins") == ["router,qos,trunk,mine"]
    assert lines(found["neutron.conf"], "service_provider") == ["A:b:c:default", "D:e:f"]
    assert lines(found["neutron.conf"], "greeting") == ["hello"]
    assert lines(found["ml2.ini"], "mechanism_drivers") == ["openvswitch,mine"]
    assert lines(found["ovs_agent.ini"], "extensions") == ["qos,mine"]
    assert lines(found["l3_agent.ini"], "extensions") == ["other"]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("services: [port_forwardin]", r":2: services\.0: FakeVM knows no service .*Did you mean 'port_forwarding'"),
        ("services: [log, log]", r":2: services\.1: the service 'log' is named twice"),
        ("backend: ovn\nservices: [dns, taas]", r":3: services\.1: the backend ovn has no service 'taas': .*L2 agents"),
        ("services: [pvlan]", r":2: services\.0: the backend ovs has no service 'pvlan': .*no driver"),
        ("backend: ovn\nrelease: 2026.1\nservices: [pvlan]", r":4: services\.0: .*from 29\.0 on"),
        ("services: [{name: a, agents: {neutron-a-agent: gateway}}]", r"'a' needs a host with the role gateway"),
        (f"services: [fwaas, {OTHER % 'FIREWALL_V2:x:y:default'}]", r":2: services\.1: .*'fwaas' and 'o' exclude each"),
        (f"services: [{{name: a, providers: ['A:b:c']}}, {OTHER % 'A:b:e'}]", r"'a' and 'o' exclude each other"),
        ("services: [{name: a, packages: [./x]}]", r":2: services\.0\.packages\.0: there is no "),
        ("services: [{name: a, plugins: [x]}]", r":2: services\.0\.plugins: unknown key"),
        ("neutron: false\nservices: [log]", r"services: this lab has no Neutron"),
    ],
)
def test_what_cannot_be_is_refused_with_its_place(tmp_path: Path, text: str, what: str) -> None:
    with pytest.raises(InvalidFile, match=what):
        settled(tmp_path, text.replace("neutron: false", "neutron: false") + "\n")


@pytest.mark.parametrize("line", ["A", "A:b", "A:b:", "A:b:c:d", "A:b:c:default:e"])
def test_a_provider_that_neutron_could_not_read_is_refused(line: str) -> None:
    with pytest.raises(InvalidInput, match="a provider is KIND:NAME:CLASS"):
        reading.parse(f"services: [{{name: a, providers: ['{line}']}}]", "lab.yaml")


def test_options_of_the_file_win_and_must_not_leave_a_service_out(tmp_path: Path) -> None:
    text = "services: [log]\nconfig: {server: {DEFAULT: {service_plugins: [router]}}}\n"
    with pytest.raises(InvalidFile, match="needs the service plugin 'log', too"):
        settled(tmp_path, text)


def test_all_that_is_known_is_whole() -> None:
    for name, known in KNOWN.items():
        assert known.file.name == name
        assert not known.file.is_name
        hosts = {"all": {"roles": ["compute", "l3"]}}
        lab = LabFile.model_validate({"services": [name], "hosts": hosts, "backend": "ovn" if known.drivers else "ovs"})
        assert loading.of(lab) == (known.file,)
        assert not list(loading.wrong(lab, backends.load(lab.backend)))
    assert {name for some in SETS.values() for name in some} <= set(KNOWN)


def test_an_option_is_written_as_often_as_it_has_values() -> None:
    assert files.ini({"a": {"b": files.Repeated(("1", "2")), "c": ("1", "2")}}) == "[a]\nb = 1\nb = 2\nc = 1,2\n"
