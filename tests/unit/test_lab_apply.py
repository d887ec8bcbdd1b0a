"""What lab apply would do, from two lab files."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from fakevm import names
from fakevm.agent.store import GuestRecord, Nic, Store
from fakevm.errors import InvalidInput
from fakevm.lab import export, planning, reading, registry
from fakevm.lab.apply import applying, hosts
from fakevm.lab.apply.difference import Difference, difference, new_commands
from fakevm.lab.apply.made import Made
from fakevm.lab.apply.step import Step
from fakevm.lab.topology import links
from fakevm.lab.topology.description import resources
from fakevm.model.guest import Guest
from fakevm.model.interface import Interface, LinkEnd
from fakevm.model.lab import HostRecord, LabRecord
from fakevm.model.labfile import GuestFile, LabFile
from fakevm.model.port import Binding, Port
from fakevm.progress import Progress

FILE: dict[str, Any] = {
    "physical_networks": {"external": {}},
    "hosts": {"host1": {"roles": ["compute", "dhcp", "l3"]}, "host2": {}},
    "networks": {
        "public": {
            "type": "flat",
            "physical_network": "external",
            "external": True,
            "subnets": {"public4": {"cidr": "203.0.113.0/24", "dhcp": False}},
        },
        "private": {"subnets": {"private4": {"cidr": "10.0.0.0/24"}}},
        "other": {"subnets": {"other4": {"cidr": "10.9.0.0/24"}}},
    },
    "routers": {"r1": {"interfaces": ["private4"], "external_gateway": "public"}},
    "security_groups": {
        "web": {"rules": [{"protocol": "tcp", "ports": 80}]},
        "ping": {"rules": [{"protocol": "icmp"}]},
    },
    "qos_policies": {"slow": {"bandwidth_limits": [{"rate": "1 Mbit/s"}]}},
    "guests": {
        "vm1": {"ports": [{"network": "private", "security_groups": ["web"]}]},
        "vm2": {"ports": ["private"], "run": ["true"]},
        "vm3": {"ports": ["other"]},
    },
    "floating_ips": {"ip1": {"network": "public", "guest": "vm1"}},
}
WHERE = {"vm1": "host1", "vm2": "host2", "vm3": "host1"}


def lab(**changes: Any) -> LabFile:
    return reading.parse_mapping(deepcopy(FILE) | changes, "file")


def changed(*path: str, to: Any) -> LabFile:
    tree = deepcopy(FILE)
    node = tree
    for key in path[:-1]:
        node = node[key]
    if to is None:
        del node[path[-1]]
    else:
        node[path[-1]] = to
    return reading.parse_mapping(tree, "file")


def done(new: LabFile) -> list[tuple[str, ...]]:
    return [step[:3] for step in difference(lab(), new, WHERE).steps()]


def guests(of: Difference) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return of.stopped, of.started


def test_the_same_file_changes_nothing() -> None:
    assert done(lab()) == []
    assert done(changed("checks", to={"c": {"kind": "ping", "from": "vm1", "to": "vm2"}})) == []


def test_a_new_guest_is_started_and_no_other_is_touched() -> None:
    assert done(changed("guests", "vm4", to={"ports": ["private"]})) == [
        ("make", "port", "vm4"),
        ("start", "guest", "vm4"),
    ]


def test_a_guest_that_is_not_there_any_more_goes_with_its_floating_ip() -> None:
    tree = deepcopy(FILE)
    del tree["guests"]["vm1"], tree["floating_ips"]["ip1"]
    assert done(reading.parse_mapping(tree, "file")) == [
        ("stop", "guest", "vm1"),
        ("remove", "floating IP", "ip1"),
        ("remove", "port", "vm1"),
    ]


def test_other_groups_of_a_port_are_changed_where_it_is() -> None:
    new = changed("guests", "vm1", "ports", to=[{"network": "private", "security_groups": ["ping"]}])
    assert done(new) == [("change", "port", "vm1")]
    found = difference(lab(), changed("guests", "vm1", "ports", to=["private"]), WHERE)
    assert next(attributes for _, attributes in found.changed)["security_groups"][0].name == "default"


def test_of_an_unfinished_lab_all_is_made_that_is_not_there() -> None:
    there = {
        resource.ref for resource in resources(lab()) if resource.ref.name not in ("vm2", "other", "other4", "vm3")
    }
    found = difference(lab(), lab(), {"vm1": "host1"}, there)
    assert {resource.ref.name for resource in found.made} == {"vm2", "other", "other4", "vm3"}
    assert guests(found) == ((), ("vm2", "vm3"))
    assert not found.removed
    assert not found.changed


def test_another_mac_makes_the_port_anew_and_restarts_the_guest() -> None:
    new = changed("guests", "vm1", "ports", to=[{"network": "private", "mac": "fa:16:3e:00:00:01"}])
    assert done(new) == [
        ("replace", "floating IP", "ip1"),
        ("replace", "port", "vm1"),
        ("restart", "guest", "vm1"),
    ]


def test_another_cidr_makes_all_anew_that_has_addresses_there_and_nothing_else() -> None:
    found = difference(lab(), changed("networks", "private", "subnets", "private4", "cidr", to="10.5.0.0/24"), WHERE)
    assert [str(resource.ref) for resource in found.removed] == [
        "floating IP ip1", "router interface r1-private4", "port vm2", "port vm1", "subnet private4",
    ]  # fmt: skip
    assert found.replaced == {resource.ref for resource in found.removed}
    assert guests(found) == (("vm1", "vm2"), ("vm1", "vm2"))


def test_another_port_restarts_the_guest_and_keeps_its_first() -> None:
    new = changed("guests", "vm2", "ports", to=["private", "other"])
    assert done(new) == [("make", "port", "vm2-1"), ("restart", "guest", "vm2")]


# -- interfaces and links ----------------------------------------------------------------------------------------

WIRED: dict[str, Any] = FILE | {
    "guests": {
        "r1": {"interfaces": {"eth0": "private", "eth1": {"addresses": ["10.7.0.1/24"]}}},
        "r2": {"interfaces": {"eth1": {"addresses": ["10.7.0.2/24"]}}},
        "vm3": {"ports": ["other"]},
    },
    "links": {"core": "r1:eth1 -- r2:eth1"},
    "floating_ips": {},
}
WIRED_WHERE = {"r1": "host1", "r2": "host2", "vm3": "host1"}


def rewired(**guests: Any) -> LabFile:
    """Give the file with other guests, and with the links that are given as ``links``."""
    links = guests.pop("links", WIRED["links"])
    kept = {name: guest for name, guest in (WIRED["guests"] | guests).items() if guest is not None}
    return reading.parse_mapping(deepcopy(WIRED | {"guests": kept, "links": links}), "file")


def wiring(new: LabFile) -> tuple[Difference, list[str]]:
    found = difference(rewired(), new, WIRED_WHERE)
    return found, [" ".join(step[:3]) for step in found.steps()]


def test_the_same_links_change_nothing() -> None:
    found, steps = wiring(rewired())
    assert steps == []
    assert (found.interfaces.detached, found.interfaces.attached) == ((), ())


def test_a_third_guest_with_a_link_touches_no_other_interface() -> None:
    found, steps = wiring(rewired(r3={}, links=WIRED["links"] | {"edge": "r3:eth0 -- r1:eth2"}))
    assert steps == ["start guest r3", "make link edge"]
    assert found.interfaces.detached == ()
    assert list(map(str, found.interfaces.attached)) == ["r1:eth2"], "r3's own comes with its start"


def test_a_link_that_is_not_there_any_more_is_detached() -> None:
    found, steps = wiring(rewired(r1={"interfaces": {"eth0": "private"}}, r2={}, links={}))
    assert steps == ["remove link core"]
    assert list(map(str, found.interfaces.detached)) == ["r1:eth1", "r2:eth1"]
    assert found.interfaces.attached == ()


def test_a_link_goes_with_its_guest() -> None:
    found, steps = wiring(rewired(r1={"interfaces": {"eth0": "private"}}, r2=None, links={}))
    assert steps == ["stop guest r2", "remove link core"]
    assert list(map(str, found.interfaces.detached)) == ["r1:eth1"]


def test_another_address_is_attached_anew_at_this_end_alone() -> None:
    found, steps = wiring(rewired(r2={"interfaces": {"eth1": {"addresses": ["10.7.0.3/24"]}}}))
    assert steps == ["replace interface r2:eth1"]
    assert list(map(str, found.interfaces.detached)) == list(map(str, found.interfaces.attached)) == ["r2:eth1"]
    [step] = found.steps()
    assert list(map(str, step.changes)) == ["addresses: 10.7.0.2/24 → 10.7.0.3/24"]


def test_another_mtu_of_a_link_is_for_both_ends() -> None:
    found, steps = wiring(rewired(links={"core": {"ends": ["r1:eth1", "r2:eth1"], "mtu": 9000}}))
    assert steps == ["replace link core"]
    assert list(map(str, found.interfaces.attached)) == ["r1:eth1", "r2:eth1"]
    [step] = found.steps()
    assert list(map(str, step.changes)) == ["mtu: 1500 → 9000"]


def test_a_link_that_comes_or_goes_changes_no_other_of_the_guest() -> None:
    links = {"first": "r1:eth9 -- r2:eth9"} | WIRED["links"]
    found, steps = wiring(rewired(links=links))
    assert steps == ["make link first"]
    assert list(map(str, found.interfaces.attached)) == ["r1:eth9", "r2:eth9"]


def test_an_interface_on_a_network_comes_and_goes_while_the_guest_runs() -> None:
    more = WIRED["guests"]["r1"]["interfaces"] | {"eth2": "other"}
    found, steps = wiring(rewired(r1={"interfaces": more}))
    assert steps == ["make port r1-eth2", "attach interface r1:eth2"]
    assert [nic.port for nic in found.interfaces.attached] == ["r1-eth2"]
    found, steps = wiring(rewired(r1={"interfaces": {"eth1": more["eth1"]}}))
    assert steps == ["detach interface r1:eth0", "remove port r1"]
    found, steps = wiring(rewired(r1={"interfaces": {"eth0": "other", "eth1": more["eth1"]}}))
    assert steps == ["replace port r1", "replace interface r1:eth0"]


def test_an_interface_that_is_to_be_plain_is_made_anew() -> None:
    """While the guest runs, if it has another; its port in Neutron stays."""
    end = WIRED["guests"]["r1"]["interfaces"]["eth1"]
    plain = {"network": "private", "nic": "plain"}
    found, steps = wiring(rewired(r1={"interfaces": {"eth0": plain, "eth1": end}}))
    assert steps == ["replace interface r1:eth0"]
    assert list(map(str, found.interfaces.detached)) == list(map(str, found.interfaces.attached)) == ["r1:eth0"]
    [step] = found.steps()
    assert list(map(str, step.changes)) == ["nic: veth → plain"]
    old, new = (rewired(r1={"interfaces": {"eth0": one}}, links={}, r2={}) for one in ("private", plain))
    (step,) = difference(old, new, WIRED_WHERE).steps()
    assert " ".join(step[:3]) == "restart guest r1"
    assert "(plain)" in str(step.changes[0])


def test_a_guest_that_would_be_left_with_nothing_is_restarted() -> None:
    """With its last port a guest ends, and with it all that runs there."""
    old = rewired(r1={"interfaces": {"eth0": "private"}}, links={}, r2={})
    new = rewired(r1={"interfaces": {"eth0": "other"}}, links={}, r2={})
    steps = [" ".join(step[:3]) for step in difference(old, new, WIRED_WHERE).steps()]
    assert steps == ["replace port r1", "restart guest r1"]


def test_another_name_of_a_device_is_another_interface() -> None:
    end = WIRED["guests"]["r1"]["interfaces"]["eth1"]
    _, steps = wiring(rewired(r1={"interfaces": {"wan": "private", "eth1": end}}))
    assert steps == ["detach interface r1:eth0", "attach interface r1:wan"]


def test_ports_that_become_interfaces_restart_the_guest() -> None:
    found, steps = wiring(rewired(vm3={"interfaces": {"eth0": "other"}}))
    assert steps == ["restart guest vm3"]
    [step] = found.steps()
    assert list(map(str, step.changes)) == ["ports: other → none", "interfaces: none → eth0 on other"]


def test_a_guest_that_lacks_interfaces_in_an_unfinished_lab_is_made_anew() -> None:
    there = {resource.ref for resource in resources(rewired())}
    found = difference(rewired(), rewired(), WIRED_WHERE, there, incomplete={"r1"})
    assert guests(found) == (("r1",), ("r1",))


def test_what_a_guest_was_given_since_is_named_as_left_out_of_the_exported_file(tmp_path: Path) -> None:
    host = HostRecord(name="host1", release="", roles=("compute",), management_address="", tunnel_address="")
    record = LabRecord(
        name="lab", directory=tmp_path, state="up", pid=1, endpoint="", transport_url="", release="", backend="",
        datapath="", hosts=(host,),
    )  # fmt: skip
    r1 = GuestRecord(guest=Guest(id=names.instance_id("lab", "r1")), state="running")
    for interface in (on_port("eth0", "r1"), on_port("qfv1", "mine"), *links.ends(rewired())["r1"].values()):
        r1 = r1.having(Nic(interface=interface))
    spare = Interface(name="eth9", mac_address="", mtu=1, attachment=LinkEnd(link="spare", end="a"))
    Store(tmp_path / "hosts/host1/agent").put(r1.having(Nic(interface=spare)))
    assert export.left_out(record, rewired()) == ["r1:qfv1 (port 1 (i))", "r1:eth9 (link spare)"]


def on_port(device: str, name: str) -> Interface:
    binding = Binding(host="host1", vif_type="ovs")
    port = Port(id="1", name=name, mac_address="", mtu=1, network_id="n", instance_id="i", binding=binding)
    return Interface(name=device, mac_address="", mtu=1, attachment=port)


def test_floating_ips_go_before_the_router_that_they_need() -> None:
    assert done(changed("routers", "r1", "ha", to=True)) == [
        ("replace", "floating IP", "ip1"),
        ("replace", "router interface", "r1-private4"),
        ("replace", "router", "r1"),
    ]


def test_a_rule_comes_and_goes_without_its_group() -> None:
    new = changed("security_groups", "web", "rules", to=[{"protocol": "tcp", "ports": 81}])
    assert done(new) == [
        ("make", "security group rule", "web: ingress IPv4 tcp 81-81"),
        ("remove", "security group rule", "web: ingress IPv4 tcp 80-80"),
    ]
    tree = deepcopy(FILE)
    del tree["security_groups"]["ping"]
    assert done(reading.parse_mapping(tree, "file")) == [("remove", "security group", "ping")]


def test_a_limit_is_changed() -> None:
    new = changed("qos_policies", "slow", "bandwidth_limits", to=[{"rate": "2 Mbit/s"}])
    assert done(new) == [("change", "bandwidth limit", "slow: egress")]


def test_a_guest_is_moved_by_the_file_but_not_by_its_turn() -> None:
    assert done(changed("guests", "vm2", "host", to="host1")) == [("restart", "guest", "vm2")]
    assert done(changed("guests", "vm2", "host", to="host2")) == []
    tree = deepcopy(FILE)
    tree["guests"] = {"vm0": {"ports": ["private"]}, **tree["guests"]}
    assert guests(difference(lab(), reading.parse_mapping(tree, "file"), WHERE)) == ((), ("vm0",))


def test_what_a_guest_is_told_and_runs_is_changed_while_it_runs() -> None:
    found = difference(
        lab(), changed("guests", "vm2", to={"ports": ["private"], "run": ["true", "date"], "user_data": "x"}), WHERE
    )
    assert (found.told, found.commanded, guests(found)) == (("vm2",), ("vm2",), ((), ()))


def test_a_command_that_is_there_once_more_is_run_once_more() -> None:
    old, new = (guest_that_runs(*words) for words in (["a", "b"], ["a", "c", "b", "a"]))
    assert [run.command for run in new_commands(old, new)] == ["c", "a"]
    assert new_commands(new, old) == []


def test_what_was_run_is_written_down(tmp_path: Path) -> None:
    """A guest that was started is made anew in all; one that went on has run what its old file has."""
    record = LabRecord(
        name="lab", directory=tmp_path, state="up", pid=1, endpoint="x", transport_url="", release="",
        backend="ovs", datapath="userspace", hosts=(),
    )  # fmt: skip
    old = changed("guests", "vm1", "run", to=["echo old"])
    tree = deepcopy(FILE)
    del tree["hosts"]["host2"]
    tree["guests"] = {name: {"ports": ["private"], "run": ["echo old", "echo new"]} for name in ("vm1", "new")}
    wanted = reading.parse_mapping(tree, "file")
    made = Made(record, old, wanted, ["new"])

    def has_run(guest: str) -> list[str]:
        return [run.command for run in registry.lab_file(record).guests[guest].run]

    assert (has_run("vm1"), has_run("new")) == (["echo old"], [])
    made.ran("new", 1)
    made.ran_one("vm1", wanted.guests["vm1"].run[1])
    assert (has_run("vm1"), has_run("new")) == (["echo old", "echo new"], ["echo old"])
    left = difference(registry.lab_file(record), wanted, WHERE)
    assert (left.commanded, left.leaving, guests(left)) == (("new",), ("host2",), ((), ()))


def guest_that_runs(*commands: str) -> GuestFile:
    return GuestFile.model_validate({"ports": ["private"], "run": list(commands)})


@pytest.mark.parametrize(
    ("new", "words"),
    [
        (lab(firewall="noop"), "cannot change: firewall"),
        (changed("hosts", "host2", to={"firewall": "noop"}), "cannot change: host host2"),
        (changed("hosts", "host3", to={"roles": ["l3"], "l3_mode": "dvr"}), "hosts of distributed routers"),
        (
            changed("networks", "public", "subnets", "public4", "gateway", to="203.0.113.7"),
            "networks that lead outside",
        ),
        # Its server was not started to look at zones when it schedules routers.
        (
            lab(
                hosts={**FILE["hosts"], "host3": {"roles": ["l3"], "zone": "west"}},
                routers={**FILE["routers"], "new": {"zones": ["west"]}},
            ),
            "routers in zones",
        ),
    ],
)
def test_what_a_running_lab_cannot_change_is_refused(new: LabFile, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        difference(lab(), new, WHERE)


def test_an_exported_file_is_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    checks = {"c": {"kind": "http", "from": "vm1", "to": "ip1"}, "d": {"kind": "dhcp", "from": "vm2", "within": "2s"}}
    kept = LabFile.model_validate_json(lab(checks=checks).model_dump_json(by_alias=True))
    monkeypatch.setattr(export, "current", lambda _record, file: file)
    monkeypatch.setattr(export.registry, "lab_file", lambda _record: kept)
    record: LabRecord = None  # type: ignore[assignment]
    assert reading.parse(export.text(record), "exported") == lab(checks=checks)


def test_a_network_that_goes_takes_the_rest_along_in_the_right_order() -> None:
    tree = deepcopy(FILE)
    del tree["networks"]["private"], tree["routers"]["r1"], tree["guests"]["vm1"], tree["guests"]["vm2"]
    del tree["floating_ips"]
    found = difference(lab(), reading.parse_mapping(tree, "file"), WHERE)
    assert [str(resource.ref) for resource in found.removed] == [
        "floating IP ip1", "router interface r1-private4", "port vm2", "port vm1", "router r1", "subnet private4",
        "network private",
    ]  # fmt: skip
    assert (found.made, found.changed, found.started) == ((), (), ())


def said(new: LabFile) -> list[str]:
    return [f"{step.action} {step.name}: {' + '.join(map(str, step.changes))}" for step in steps(new)]


def steps(new: LabFile) -> list[Step]:
    return list(difference(lab(), new, WHERE).steps())


def test_what_changes_is_said_old_and_new() -> None:
    assert said(changed("networks", "private", "subnets", "private4", "dns", to=["10.0.0.9"])) == [
        "change private4: dns_nameservers: none → 10.0.0.9"
    ]
    assert said(changed("qos_policies", "slow", "bandwidth_limits", to=[{"rate": "2 Mbit/s"}])) == [
        "change slow: egress: max_kbps: 1000 → 2000"
    ]
    web = changed("guests", "vm1", "ports", to=["private"])
    assert said(web) == ["change vm1: security_groups: web → default"]
    assert steps(web)[0].changes[0] == ("security_groups", ["web"], ["default"])
    assert said(changed("guests", "vm2", "host", to="host1")) == ["restart vm2: host: host2 → host1"]
    assert said(changed("guests", "vm2", to={"ports": ["private"], "run": ["true", "date"], "user_data": "x"})) == [
        "change vm2: run: true → true, date + user_data: none → x"
    ]


def test_what_is_replaced_says_why() -> None:
    new = changed("guests", "vm1", "ports", to=[{"network": "private", "mac": "fa:16:3e:00:00:01"}])
    assert said(new) == [
        "replace ip1: ",
        "replace vm1: security_groups: web → default + mac_address: none → fa:16:3e:00:00:01",
        "restart vm1: ",
    ]
    assert said(changed("routers", "r1", "ha", to=True))[-1] == "replace r1: ha: none → true"


def test_what_is_refused_says_what_was_and_is_wanted() -> None:
    with pytest.raises(InvalidInput, match=r"firewall \(openvswitch → noop\), host host2"):
        difference(lab(), lab(firewall="noop", hosts={**FILE["hosts"], "host2": {"firewall": "noop"}}), WHERE)


def test_hosts_come_first_and_leave_last() -> None:
    assert done(changed("hosts", "host3", to={})) == [("start", "host", "host3")]
    assert done(changed("hosts", "host2", to=None)) == [("restart", "guest", "vm2"), ("remove", "host", "host2")]
    hosts.refuse_leaving(lab(), ["host2"])
    with pytest.raises(InvalidInput, match="its role dhcp serves others"):
        hosts.refuse_leaving(lab(), ["host1"])


def test_a_new_host_gets_a_number_that_nobody_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosts.releases, "install", lambda version, _progress: tmp_path / version)
    (tmp_path / "metadata").mkdir()
    (tmp_path / "metadata/secret").write_text("secret")
    there = [("host1", 1), ("host2", 3)]
    record = LabRecord(
        name="lab", directory=tmp_path, state="up", pid=1, endpoint="http://x", transport_url="rabbit://fakevm:word@127.0.0.1/",
        release="29.0.0", backend="ovs", datapath="userspace",
        hosts=tuple(
            HostRecord(name=name, release="29.0.0", roles=("compute",), tunnel_address="",
                       management_address=planning.addresses(index)["management_address"])
            for name, index in there
        ),
    )  # fmt: skip
    tree = deepcopy(FILE)
    tree["hosts"] = {"host3": {}, **tree["hosts"]}
    plan = hosts._plan(record, reading.parse_mapping(tree, "file"), Progress())
    assert {h.name: (h.index, h.tunnel_address) for h in plan.hosts} == {
        "host1": (1, "198.19.0.2"), "host2": (3, "198.19.0.4"), "host3": (4, "198.19.0.5"),
    }  # fmt: skip
    assert (plan.broker_password, plan.metadata_secret) == ("word", "secret")


def test_what_is_for_running_guests_waits_for_interfaces_that_they_are_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent forgets a local IP of a port that it has not wired yet (docs/findings/0012-…)."""
    local = {"network": "other", "address": "10.9.0.200", "ports": [{"guest": "vm2", "port": "other"}]}
    had, has = (
        {"vm2": {"interfaces": interfaces}} for interfaces in ({"a": "private"}, {"a": "private", "b": "other"})
    )
    old = lab(guests=had, floating_ips={}, services=["local_ip"])
    wanted = lab(guests=has, floating_ips={}, services=["local_ip"], local_ips={"near": local})
    todo = difference(old, wanted, {"vm2": "host2"})
    assert list(map(str, todo.interfaces.attached)) == ["vm2:b"]
    done = mock.MagicMock()
    for name in (
        "registry",
        "hosts",
        "config",
        "carrying",
        "making",
        "_remove",
        "_attach",
        "_run_new_commands",
        "Made",
    ):
        monkeypatch.setattr(applying, name, getattr(done, name))
    applying.apply(mock.MagicMock(), mock.MagicMock(lab=wanted), todo, Progress(), 1)
    steps = [call[0].rpartition(".")[2] for call in done.mock_calls]
    assert steps.index("_attach") < steps.index("make_for_running_guests")
