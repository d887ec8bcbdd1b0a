"""From a lab file to Neutron's resources and to the world outside; and what the metadata service says."""

from __future__ import annotations

import dataclasses
import gzip
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from fakevm import names
from fakevm.agent.attachments import interface_of
from fakevm.agent.store import GuestRecord, Nic
from fakevm.backend.ovs import OvsBackend
from fakevm.errors import Conflict, NotFound
from fakevm.lab import draft, export, host, metadata, outside, planning, reading, roles
from fakevm.lab.topology import links
from fakevm.lab.topology.boot import Boot
from fakevm.lab.topology.description import resources, stages
from fakevm.lab.topology.making import Topology
from fakevm.metadata import instance, server
from fakevm.model.guest import Guest
from fakevm.model.interface import Interface, LinkEnd
from fakevm.model.labfile import GuestFile, LabFile
from fakevm.model.labfile.guest import GuestPort
from fakevm.model.labfile.security import rule_words
from fakevm.model.port import Binding, FixedIp, Port
from fakevm.model.resource import Ref, resolved
from fakevm.progress import Progress


def template(name: str) -> LabFile:
    return reading.parse(draft.text(name), name)


def attributes(lab: LabFile) -> dict[str, dict[str, Any]]:
    return {str(resource.ref): resource.attributes for resource in resources(lab)}


@pytest.mark.parametrize("name", draft.names())
def test_templates_are_lab_files_and_say_what_they_are(name: str) -> None:
    assert template(name).name == name
    assert draft.about(name)


def test_a_template_is_written_once(tmp_path: Path) -> None:
    path = tmp_path / "lab.yaml"
    draft.write("small", path)
    assert reading.read(path).name == "small"
    with pytest.raises(Conflict, match="is there already"):
        draft.write("small", path)
    with pytest.raises(NotFound, match="'smal'") as caught:
        draft.text("smal")
    assert "Did you mean 'small'?" in caught.value.hint


@pytest.mark.parametrize("name", draft.names())
def test_what_a_resource_needs_is_made_before_it(name: str) -> None:
    made: set[Ref] = set()
    for stage in stages(template(name)):
        for resource in stage.resources:
            needed = list(refs(resource.attributes)) + ([resource.parent] if resource.parent else [])
            assert set(needed) <= made | {resource.ref}
        made |= {resource.ref for resource in stage.resources}


def refs(value: Any) -> Any:
    if isinstance(value, Ref):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from refs(item)


def test_what_the_file_leaves_out_is_left_to_neutron() -> None:
    made = attributes(template("small"))
    assert made["network private"] == {"router:external": False, "port_security_enabled": True}
    assert made["port vm1"] == {
        "network_id": Ref("network", "private"),
        "device_id": names.instance_id("small", "vm1"),
    }
    assert "gateway_ip" not in made["subnet private4"]


def test_all_that_a_port_may_say() -> None:
    lab = reading.parse(
        "networks: {a: {subnets: {a4: {cidr: 10.0.0.0/24, gateway: none}}}, b: {}}\n"
        "guests:\n  g:\n    ports:\n"
        "      - {network: a, fixed_ips: [10.0.0.5], allowed_address_pairs: [10.0.0.9], security_groups: [default]}\n"
        "      - {network: b, port_security: false, trunk: [{network: a, vlan: 7}]}\n",
        "f",
    )
    made = attributes(lab)
    assert made["subnet a4"]["gateway_ip"] is None
    assert made["port g"]["fixed_ips"] == [{"ip_address": "10.0.0.5"}]
    assert made["port g"]["allowed_address_pairs"] == [{"ip_address": "10.0.0.9"}]
    assert made["port g"]["security_groups"] == [Ref("security group", "default")]
    assert (made["port g-1"]["security_groups"], made["port g-1"]["port_security_enabled"]) == ([], False)
    assert made["trunk g-1"]["sub_ports"][0]["port_id"] == Ref("port", "g-1-vlan7")
    ids = {Ref("network", "a"): "1", Ref("security group", "default"): "2"}
    assert resolved(made["port g"], ids)["security_groups"] == ["2"]


def test_a_floating_ip_is_of_the_port_that_is_named() -> None:
    text = (
        "physical_networks: {x: {}}\n"
        "networks: {p: {type: flat, physical_network: x, external: true}, a: {}, b: {}}\n"
        "guests: {g: {ports: [a, b]}}\n"
        "floating_ips: {one: {network: p, guest: g}, two: {network: p, guest: g, port: b}}\n"
    )
    made = attributes(reading.parse(text, "f"))
    assert made["floating IP one"]["port_id"] == Ref("port", "g")
    assert made["floating IP two"]["port_id"] == Ref("port", "g-1")


LINKED = """
networks: {a: {}, b: {}}
guests:
  r1: {interfaces: {eth0: a, eth1: {addresses: [10.7.0.1/24], mac: "02:00:00:00:00:01", mtu: 1400}, eth2: b}}
  r2: {ports: [a, b]}
  r3: {}
links:
  core: r1:eth1 -- r2:eth1
  edge: {ends: [r3:wan, r2:lan], mtu: 9000}
"""


def test_ports_of_interfaces_with_names_are_called_after_them() -> None:
    lab = reading.parse(LINKED, "f")
    assert [ref for ref in attributes(lab) if ref.startswith("port ")] == [
        "port r1", "port r1-eth2", "port r2", "port r2-1",
    ]  # fmt: skip
    named = [(port.name, port.device, port.at) for port in lab.guests["r1"].ports_of("r1")]
    assert named == [("r1", "eth0", ("interfaces", "eth0")), ("r1-eth2", "eth2", ("interfaces", "eth2"))]
    assert [port.device for port in lab.guests["r2"].ports_of("r2")] == ["", ""]


def test_the_ends_of_links_are_interfaces_of_guests_after_their_ports() -> None:
    found = links.ends(reading.parse(LINKED, "f"))
    core, wan = found["r1"]["eth1"], found["r3"]["wan"]
    assert (core.mac_address, core.mtu, core.addresses, core.index) == ("02:00:00:00:00:01", 1400, ("10.7.0.1/24",), 2)
    assert (core.attachment, wan.attachment) == (LinkEnd(link="core", end="a"), LinkEnd(link="edge", end="a"))
    assert [(i.name, i.index, i.mtu, i.addresses) for i in found["r2"].values()] == [
        ("eth1", 2, 1500, ()), ("lan", 3, 9000, ()),
    ]  # fmt: skip
    assert found["r2"]["eth1"].attachment == LinkEnd(link="core", end="b")


class Rows(Boot):
    """Notes in which order ports would be plugged."""

    def __init__(self, lab: LabFile) -> None:
        super().__init__(lab, cast("Any", None), cast("Any", None), cast("Any", None), events=None, timeout=1)
        self.plugged: list[tuple[str, str | None]] = []

    def _job(self) -> Any:
        return SimpleNamespace(attend=lambda work: work())

    def _wiring(self, network: str, job: Any) -> Any:
        return network

    def _wire(self, wiring: Any, guest: str, port: GuestPort, host: str | None) -> list[str]:
        self.plugged.append((port.name, host))
        return [f"{guest}: {wiring}"]


def test_a_guests_ports_are_plugged_one_after_the_other() -> None:
    lab = reading.parse(LINKED, "f")
    rows = Rows(lab)
    problems = rows.plug({name: guest.ports_of(name) for name, guest in lab.guests.items()}, {"r2": "host2"})
    assert set(rows.plugged[:2]) == {("r1", None), ("r2", "host2")}
    assert set(rows.plugged[2:]) == {("r1-eth2", None), ("r2-1", "host2")}
    assert len(problems) == 4


def test_guests_are_had_alone_while_they_are_started() -> None:
    lab = reading.parse(LINKED, "f")
    claims: list[tuple[str, ...]] = []

    @contextmanager
    def claimed(ports: Iterable[str], doing: str, *, guests: Iterable[str], **_: Any) -> Iterator[None]:
        claims.append((*ports, doing, *guests))
        yield
        claims.append(("given back",))

    class Started(Rows):
        def start(self, guests: Mapping[str, GuestFile]) -> list[str]:
            claims.append(("start", *guests))
            return []

    boot = Started(lab)
    boot._agents = cast("Any", SimpleNamespace(claimed=claimed))
    topology = Topology(lab, *[cast("Any", None)] * 4, boot=boot, timeout=1)
    topology.start(lab.guests, Progress())
    ids = [names.instance_id(lab.name, name) for name in lab.guests]
    assert claims == [("its start", *ids), ("start", *lab.guests), ("given back",)]
    topology.start({}, Progress())
    assert len(claims) == 3


def test_a_mac_address_is_always_the_same_of_one_device_and_administered_locally() -> None:
    macs = {names.mac_address(lab, guest, device) for lab in "ab" for guest in "ab" for device in ("eth0", "eth1")}
    assert len(macs) == 8
    assert names.mac_address("lab", "r1", "eth1") == names.mac_address("lab", "r1", "eth1")
    assert {int(mac[:2], 16) & 3 for mac in macs} == {2}


def test_a_file_with_links_is_kept_and_written_as_it_is() -> None:
    lab = reading.parse(LINKED, "f")
    assert LabFile.model_validate_json(lab.model_dump_json(by_alias=True)) == lab
    again = reading.parse(export.written(lab), "f")
    assert (again.guests, again.links) == (lab.guests, lab.links)


def test_rules_have_words_of_their_own() -> None:
    lab = reading.parse("security_groups: {g: {rules: [{protocol: tcp, ports: 80, remote_group: g}]}}", "f")
    words = [str(resource.ref) for resource in resources(lab) if resource.ref.kind == "security group rule"]
    assert words == [
        "security group rule g: egress IPv4 any",
        "security group rule g: egress IPv6 any",
        "security group rule g: ingress IPv4 tcp 80-80 security group g",
    ]
    seen = {"direction": "egress", "ethertype": "IPv6", "protocol": None, "port_range_min": None}
    assert rule_words(seen | {"remote_ip_prefix": None, "remote_group_id": None}) == "egress IPv6 any"


def test_the_outside_has_the_gateways_of_flat_external_networks() -> None:
    world = outside.plan(template("selfservice"))
    assert world
    assert [(leg.physical_network, leg.addresses) for leg in world.legs] == [("external", ("203.0.113.1/24",))]
    assert world.clients["client"][0] == "198.51.100.10/24"
    assert "ip netns add client" in outside.script(world)
    assert outside.plan(LabFile()) is None


def test_an_external_network_of_one_address_leads_outside_by_it() -> None:
    alone = {"type": "flat", "physical_network": "p", "external": True, "subnets": {"s": {"cidr": "203.0.113.1/32"}}}
    world = outside.plan(LabFile.model_validate({"physical_networks": {"p": {}}, "networks": {"n": alone}}))
    assert world
    assert world.legs[0].addresses == ("203.0.113.1/32",)


def test_hosts_of_distributed_routers() -> None:
    plan = planning.make_plan(template("dvr"), Path("/labs/x"), {"29.0.0": Path("/venv")}, kernel_datapath=False)
    backend = OvsBackend()
    assert backend.ml2(plan)["ml2"]["mechanism_drivers"] == "openvswitch,l2population"
    modes = {}
    for h in plan.hosts:
        assert backend.agent_settings(plan, h)["agent"]["enable_distributed_routing"] is True
        assert {"neutron-l3-agent", "neutron-metadata-agent"} <= {p.name for p in host.programs(plan, h, backend)}
        settings = roles.settings(plan, h, h.roles, "/home")
        modes[h.name] = settings["agent_mode"]
        assert settings["metadata_proxy_shared_secret"] == plan.metadata_secret
    assert modes == {"compute1": "dvr", "compute2": "dvr", "network1": "dvr_snat"}
    assert metadata.programs(plan)[0].command[-2:] == (plan.management_address, "8775")


# -- metadata --------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make a lab's folder with one guest, which the lab file and an agent know."""
    guests = instance.guests_file(tmp_path)
    guests.parent.mkdir()
    guests.write_text(json.dumps({"id-1": {"name": "web1", "user_data": "#!/bin/sh", "keys": {"me": "ssh-rsa AAA"}}}))
    record = tmp_path / "hosts/compute1/agent/guests/port.json"
    record.parent.mkdir(parents=True)
    fixed = FixedIp(address="10.0.0.5", prefix_length=24, subnet_id="s")
    port = Port(
        id="p", mac_address="m", mtu=1450, network_id="n", instance_id="id-1", hostname="web1", project_id="p",
        fixed_ips=(fixed,), binding=Binding(host="compute1", vif_type="ovs"),
    )  # fmt: skip
    end = Interface(name="eth1", mac_address="m", mtu=1500, attachment=LinkEnd(link="core", end="a"))
    nics = (Nic(interface=interface_of(port, 0)), Nic(interface=end))
    record.write_text(GuestRecord(guest=Guest(id="id-1"), nics=nics).model_dump_json())
    (record.parent / "half.json").write_text("{")
    return tmp_path


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/latest/meta-data/instance-id", "id-1"),
        ("/2009-04-04/meta-data/hostname", "web1"),
        ("/latest/meta-data/local-ipv4", "10.0.0.5"),
        ("/latest/meta-data/public-keys/", "0=me"),
        ("/latest/meta-data/public-keys/0/openssh-key", "ssh-rsa AAA"),
        ("/latest/user-data", "#!/bin/sh"),
        ("/openstack/latest/user_data", "#!/bin/sh"),
        ("/latest", "meta-data/\nuser-data"),
    ],
)
def test_the_metadata_of_a_guest(folder: Path, path: str, said: str) -> None:
    assert server.reply(folder, "s", path, "id-1", server.signature("s", "id-1")) == (200, said)


def said(folder: Path, path: str, instance_id: str = "id-1") -> str:
    status, body = server.reply(folder, "s", path, instance_id, server.signature("s", instance_id))
    assert status == 200
    return body


def test_a_guest_of_no_lab_file_is_told_of(folder: Path) -> None:
    told = instance.Told(id="id-9", name="nine", keys={"k": "ssh-rsa B"}, meta={"a": "b"}, flavor="m1", launch_index=2)
    instance.tell(folder, told)
    assert said(folder, "/latest/meta-data/instance-type", "id-9") == "m1"
    assert said(folder, "/latest/meta-data/public-ipv4", "id-9") == ""
    about = json.loads(said(folder, "/openstack/2018-08-27/meta_data.json", "id-9"))
    assert (about["meta"], about["launch_index"], about["hostname"]) == ({"a": "b"}, 2, "nine")
    instance.tell(folder, dataclasses.replace(told, public_ipv4="198.51.100.7"))
    assert said(folder, "/latest/meta-data/public-ipv4", "id-9") == "198.51.100.7"
    assert [path.name for path in (folder / "metadata/servers").iterdir()] == ["id-9.json"]
    instance.forget(folder, "id-9")
    instance.forget(folder, "id-9")
    assert server.reply(folder, "s", "/latest", "id-9", server.signature("s", "id-9")).status == 404


def test_user_data_that_are_gzipped_arrive_as_they_were(folder: Path) -> None:
    packed = gzip.compress(b"#!/bin/sh\n")
    instance.tell(folder, instance.Told(id="id-9", name="nine", user_data=packed.decode("latin-1")))
    assert server.encoded(said(folder, "/openstack/latest/user_data", "id-9")) == packed
    assert server.encoded("é") == "é".encode()


def test_the_network_of_a_guest(folder: Path) -> None:
    network = json.loads(said(folder, "/openstack/latest/network_data.json"))
    link = {"id": "tapp", "vif_id": "p", "type": "ovs", "mtu": 1450, "ethernet_mac_address": "m"}
    assert network["links"] == [link]
    assert network["networks"] == [{"id": "network0", "network_id": "n", "link": "tapp", "type": "ipv4_dhcp"}]
    assert "latest" in said(folder, "/openstack")


def test_openstacks_form_of_metadata(folder: Path) -> None:
    status, body = server.reply(folder, "s", "/openstack/latest/meta_data.json", "id-1", server.signature("s", "id-1"))
    assert status == 200
    assert json.loads(body)["public_keys"] == {"me": "ssh-rsa AAA"}


@pytest.mark.parametrize(
    ("instance_id", "signed", "status"),
    [(None, None, 400), ("id-1", None, 403), ("id-1", "wrong", 403), ("id-2", server.signature("s", "id-2"), 404)],
)
def test_who_is_not_known_gets_nothing(folder: Path, instance_id: str | None, signed: str | None, status: int) -> None:
    assert server.reply(folder, "s", "/latest/user-data", instance_id, signed).status == status
