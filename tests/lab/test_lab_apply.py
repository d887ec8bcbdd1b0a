"""An edited lab file is applied to a lab that runs: what did not change is not touched."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from ruamel.yaml import YAML

from fakevm.lab import reading
from fakevm.linux import supervision

from .pings import pinging

if TYPE_CHECKING:
    from .conftest import Lab, Labs

pytestmark = pytest.mark.lab

BEFORE = """\
hosts: {host1: {roles: [compute, dhcp, l3]}}
config: {dhcp_agent: {DEFAULT: {debug: true}}}
networks:
  private: {subnets: {private4: {cidr: 10.0.0.0/24}}}
  other: {subnets: {other4: {cidr: 10.9.0.0/24}}}
address_groups: {friends: {addresses: [10.0.0.11, 10.9.0.0/24]}}
security_groups:
  open:
    rules: [{protocol: icmp}, {protocol: tcp, ports: 80}, {protocol: tcp, ports: 90, remote_address_group: friends}]
routers: {router: {interfaces: [private4]}}
guests:
  vm1: {ports: [{network: private, security_groups: [open], fixed_ips: [10.0.0.11]}]}
  vm2: {ports: [{network: private, security_groups: [open], fixed_ips: [10.0.0.12]}]}
  vm3: {ports: [{network: other, security_groups: [open]}]}
  vm5: {ports: [{network: private}]}
  r1: {interfaces: {eth0: private, eth1: {addresses: [10.77.0.1/24]}}}
  r2: {interfaces: {eth1: {addresses: [10.77.0.2/24]}}}
links: {core: r1:eth1 -- r2:eth1}
checks:
  ping: {kind: ping, from: vm1, to: vm2, within: 60s}
  the link: {kind: ping, from: r1, to: 10.77.0.2}
  a friend: {kind: tcp, from: vm1, to: vm2, port: 90, within: 60s}
"""
# vm2 has one group more, other4 other addresses; vm4, its network and host are new; vm5 is gone, another port is open;
# vm1 is nobody's friend any more; r1 gets an interface; r3 is new, on the new
# host, with a link to r2.
AFTER = """\
hosts: {host1: {roles: [compute, dhcp, l3]}, host2: {}}
config: {dhcp_agent: {DEFAULT: {debug: true}}}
networks:
  private: {subnets: {private4: {cidr: 10.0.0.0/24}}}
  other: {subnets: {other4: {cidr: 10.8.0.0/24}}}
  third: {subnets: {third4: {cidr: 10.7.0.0/24}}}
address_groups: {friends: {addresses: [10.9.0.0/24]}}
security_groups:
  open:
    rules: [{protocol: icmp}, {protocol: tcp, ports: 81}, {protocol: tcp, ports: 90, remote_address_group: friends}]
  more: {rules: [{protocol: icmp}]}
routers: {router: {interfaces: [private4, third4]}}
guests:
  vm1: {ports: [{network: private, security_groups: [open], fixed_ips: [10.0.0.11]}]}
  vm2: {ports: [{network: private, security_groups: [open, more], fixed_ips: [10.0.0.12]}]}
  vm3: {ports: [{network: other, security_groups: [open]}]}
  vm4: {host: host2, ports: [{network: third, security_groups: [open]}]}
  r1: {interfaces: {eth0: private, eth1: {addresses: [10.77.0.1/24]}, eth2: third}}
  r2: {interfaces: {eth1: {addresses: [10.77.0.2/24]}, eth2: {addresses: [10.78.0.1/24]}}}
  r3: {host: host2, interfaces: {eth1: {addresses: [10.78.0.2/24]}}}
links: {core: r1:eth1 -- r2:eth1, edge: r2:eth2 -- r3:eth1}
checks:
  the link: {kind: ping, from: r1, to: 10.77.0.2}
  one interface more: {kind: command, from: r1, run: ip -brief address, shows: "eth2.*10\\\\.7\\\\."}
  the link to another host: {kind: ping, from: r2, to: 10.78.0.2}
  ping: {kind: ping, from: vm1, to: vm2, within: 60s}
  by the new interface: {kind: ping, from: vm1, to: vm4, within: 60s}
  other addresses: {kind: command, from: vm3, run: ip addr, shows: inet 10.8.0}
  the rule is gone: {kind: tcp, from: vm1, to: vm2, port: 80, expect: blocked, within: 60s}
  no friend any more: {kind: tcp, from: vm1, to: vm2, port: 90, expect: blocked, within: 60s}
  the new rule is there: {kind: tcp, from: vm1, to: vm2, port: 81, within: 60s}
"""


@pytest.fixture(scope="module")
def lab(own_labs: Labs) -> Iterator[Lab]:
    """Start the lab."""
    path = own_labs.folder / "apply.yaml"
    path.write_text(BEFORE)
    yield own_labs.up("apply", str(path))
    assert own_labs.fakevm("lab", "down", "apply").returncode == 0


def test_an_edited_file_touches_only_what_changed(lab: Lab, tmp_path: Path) -> None:
    file = lab.labs.folder / "edited.yaml"
    file.write_text(AFTER)
    planned = json.loads(lab.fakevm("lab", "apply", str(file), "--dry-run", "-f", "json").stdout)
    assert lab.fakevm("lab", "apply", str(file), "--dry-run", "--exit-code").returncode == 2
    lost = lab.fakevm("check", str(file), "--only", "other addresses", "--junit", "/dev/full")
    assert (lost.returncode, "other addresses" in lost.stdout) == (2, True)
    assert "cannot write /dev/full: No space left on device" in lost.stderr
    met = lab.fakevm("check")
    assert met.returncode == 0, met.stderr

    vm1 = json.loads(lab.openstack("port", "show", "vm1", "-f", "json").stdout)["id"]
    with pinging(lab, vm1, "10.0.0.12", 0.1, tmp_path) as pings:
        done = lab.fakevm("lab", "apply", str(file), "-f", "json")
    assert done.returncode == 0, done.stderr
    assert pings.lost() == []

    assert json.loads(done.stdout) == planned
    steps = {(step["action"], step["kind"], step["name"]) for step in planned}
    assert {("change", "port", "vm2"), ("replace", "subnet", "other4"), ("restart", "guest", "vm3")} <= steps
    assert {("start", "guest", "vm4"), ("stop", "guest", "vm5"), ("remove", "port", "vm5")} <= steps
    assert {("start", "host", "host2"), ("change", "address group", "friends")} <= steps
    assert {("start", "guest", "r3"), ("make", "link", "edge"), ("attach", "interface", "r1:eth2")} <= steps
    untouched = {"vm1", "private", "private4", "router", "r1", "r2", "core"}
    assert not {step for step in steps if step[2] in {*untouched, "r1:eth1", "r2:eth1", "r2:eth2"}}
    checked = lab.fakevm("check")
    assert checked.returncode == 0, checked.stderr
    assert lab.openstack("port", "list", "--name", "vm5", "-f", "value").stdout == ""


def test_the_exported_file_is_what_runs(lab: Lab) -> None:
    file = lab.labs.folder / "exported.yaml"
    assert lab.fakevm("lab", "export", "--output", str(file)).returncode == 0
    assert list(reading.read(file).guests) == ["vm1", "vm2", "vm3", "vm4", "r1", "r2", "r3"]
    assert json.loads(lab.fakevm("lab", "apply", str(file), "-f", "json").stdout) == []
    done = lab.fakevm("lab", "apply", str(file), "--dry-run", "--exit-code")
    assert (done.returncode, done.stdout.startswith("Nothing to do")) == (0, True), done.stderr


def test_what_others_changed_is_told(lab: Lab) -> None:
    same = lab.fakevm("lab", "diff", "--exit-code")
    assert (same.returncode, same.stdout) == (0, "No difference: the lab is as the file says.\n"), same.stderr
    for words in (
        ("network", "set", "private", "--mtu", "1300"),
        ("port", "set", "vm1", "--no-security-group"),
        ("router", "remove", "subnet", "router", "third4"),
        ("security", "group", "create", "by-hand"),
    ):
        assert lab.openstack(*words).returncode == 0
    done = lab.fakevm("lab", "diff", "--exit-code", "-f", "json")
    assert done.returncode == 2, done.stderr
    found = {
        (row["state"], row["kind"], row["name"], row["difference"]["attribute"]) for row in json.loads(done.stdout)
    }
    assert found == {
        ("changed", "network", "private", "mtu"),
        ("changed", "port", "vm1", "security_groups"),
        ("missing", "router interface", "router-third4", None),
        ("extra", "security group", "by-hand", "id"),
    }
    assert "mtu: 1450 → 1300" in lab.fakevm("lab", "diff").stdout
    assert lab.fakevm("lab", "diff", "--no-such", "--exit-code").returncode == 1
    for words in (
        ("network", "set", "private", "--mtu", "1450"),
        ("port", "set", "vm1", "--security-group", "open"),
        ("router", "add", "subnet", "router", "third4"),
        ("security", "group", "delete", "by-hand"),
    ):
        assert lab.openstack(*words).returncode == 0
    assert lab.fakevm("lab", "diff", "--exit-code").returncode == 0


def test_what_a_running_lab_cannot_change_is_refused(lab: Lab) -> None:
    file = lab.labs.folder / "other.yaml"
    file.write_text(AFTER.replace("hosts:", "firewall: iptables_hybrid\nhosts:"))
    done = lab.fakevm("lab", "apply", str(file))
    assert done.returncode == 2
    assert "a lab that runs cannot change: firewall" in done.stderr


def test_a_host_leaves_and_its_guests_go_elsewhere(lab: Lab) -> None:
    file = lab.labs.folder / "smaller.yaml"
    file.write_text(AFTER.replace(", host2: {}", "").replace("host: host2, ", ""))
    done = lab.fakevm("lab", "apply", str(file), "-f", "json")
    assert done.returncode == 0, done.stderr
    assert [tuple(step.values())[:3] for step in json.loads(done.stdout)] == [
        ("restart", "guest", "vm4"),
        ("restart", "guest", "r3"),
        ("remove", "host", "host2"),
    ]
    checked = lab.fakevm("check")
    assert checked.returncode == 0, checked.stderr
    rows = json.loads(lab.fakevm("host", "list", "-f", "json").stdout)
    assert [row["name"] for row in rows if row["lab"] == "apply"] == ["host1"]
    assert "host2" not in lab.openstack("network", "agent", "list").stdout
    assert not lab.record.host_directory("host2").exists()


OPTIONS = {
    "server": {"DEFAULT": {"max_dns_nameservers": 1}},
    "ovs_agent": {"AGENT": {"extensions": ["qos", "log"], "polling_interval": 3}},
}
OF_HOST = {"ovs_agent": {"agent": {"extensions": "qos"}}}
AGENT = "host1/neutron-openvswitch-agent"


def test_a_program_that_debugs_is_forked_as_the_others_are(lab: Lab) -> None:
    """Modules look at that option while they are imported."""
    log = (lab.record.host_directory("host1") / "log/neutron-dhcp-agent.log").read_text()
    assert " DEBUG " in log
    assert "from scratch" not in log
    assert " DEBUG " not in (lab.record.host_directory("host1") / "log/neutron-l3-agent.log").read_text()


def test_an_option_restarts_just_the_programs_that_read_it(lab: Lab) -> None:
    file = lab.labs.folder / "options.yaml"
    tree = YAML(typ="safe").load(lab.fakevm("lab", "export").stdout)
    tree["config"] |= OPTIONS
    YAML().dump(tree, file)
    before = _pids(lab)
    done = lab.fakevm("lab", "apply", str(file), "-f", "json")
    assert done.returncode == 0, done.stderr
    steps = json.loads(done.stdout)
    restarted = {step["name"] for step in steps}
    assert {(step["action"], step["kind"]) for step in steps} == {("restart", "program")}
    assert restarted == {AGENT, "neutron-api", "neutron-rpc-server", "neutron-periodic-workers"}
    after = _pids(lab)
    assert {name for name in before if before[name] != after[name]} == restarted

    assert _extensions(lab) == ["qos", "log"]
    words = ("--dns-nameserver", "192.0.2.1", "--dns-nameserver", "192.0.2.2", "--subnet-range", "10.6.0.0/24", "dns")
    refused = lab.openstack("subnet", "create", "--network", "other", *words)
    assert "nameservers" in refused.stderr, refused.stderr


def test_an_option_of_a_host_wins(lab: Lab) -> None:
    file = lab.labs.folder / "options.yaml"
    tree = YAML(typ="safe").load(file)
    tree["hosts"]["host1"]["config"] = OF_HOST
    YAML().dump(tree, file)
    steps = json.loads(lab.fakevm("lab", "apply", str(file), "-f", "json").stdout)
    assert [(step["action"], step["name"]) for step in steps] == [("restart", AGENT)]
    assert _extensions(lab) == ["qos"]

    words = ("agent.extensions", "polling_interval", "local_ip")
    shown = lab.told("lab", "config", AGENT, *words)
    assert [(row["value"], row["from"]) for row in shown][:2] == [("qos", "lab file, host1"), ("3", "lab file")]
    assert shown[2]["from"] == "FakeVM"
    assert lab.told("lab", "config", "server", "transport_url")[0]["value"] == "***"
    wrong = lab.fakevm("lab", "config", "ovs_agent", "--host", "host1", "agent.extension")
    assert (wrong.returncode, "Did you mean [agent] extensions?" in wrong.stderr) == (2, True), wrong.stderr


def test_options_are_exported_and_compared(lab: Lab) -> None:
    file = lab.labs.folder / "options.yaml"
    assert "max_dns_nameservers: 1" in lab.fakevm("lab", "export").stdout
    assert lab.fakevm("lab", "apply", str(file), "--dry-run", "--exit-code").returncode == 0
    assert lab.fakevm("lab", "diff", "--exit-code").returncode == 0
    (lab.record.host_directory("host1") / "config/ovs_agent.ini").write_text("[agent]\nextensions = log\n")
    shown = lab.fakevm("lab", "diff").stdout
    assert "[agent] extensions: qos → log" in shown
    assert "[agent] polling_interval: 3 → none" in shown


def _pids(lab: Lab) -> dict[str, int]:
    folders = lab.labs.record(lab.record.name).services()
    found = {
        (host, name): seen for host, folder in folders.items() for name, seen in supervision.status(folder).items()
    }
    return {f"{host}/{name}".removeprefix("/"): seen.pid for (host, name), seen in found.items()}


def _extensions(lab: Lab) -> list[str]:
    words = ("--host", "host1", "--agent-type", "open-vswitch")
    (agent,) = json.loads(lab.openstack("network", "agent", "list", *words, "-f", "json").stdout)
    shown = json.loads(lab.openstack("network", "agent", "show", agent["ID"], "-f", "json").stdout)
    return list(shown["configuration"]["extensions"])
