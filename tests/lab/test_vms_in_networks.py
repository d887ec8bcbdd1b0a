"""Virtual machines beside fake ones in a network of Neutron's: with both plugs of ML2/OVS, and with ML2/OVN."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from fakevm.testing.labs import Lab, Labs

from .conftest import awaited

pytestmark = pytest.mark.slow

FILE = """\
backend: {backend}
hosts:
  host1: {{roles: {roles}{firewall}}}
  host2: {{{rest}}}
networks: {{private: {{subnets: {{private4: {{cidr: 192.168.64.0/24}}}}}}}}
security_groups:
  open: {{rules: [{{protocol: icmp}}]}}
  friends: {{rules: [{{protocol: icmp, remote_group: open}}]}}
guests:
  vm1: {{kind: vm, host: host1, ports: [{{network: private, security_groups: [open]}}]}}
  vm2: {{kind: vm, host: host2, ports: [{{network: private, security_groups: [{group}]}}]}}
  fake1: {{host: host2, ports: [{{network: private, security_groups: [open]}}]}}
  fake2: {{host: host1, ports: [{{network: private, security_groups: [{group}]}}]}}
checks:
{checks}
"""
GUESTS = ("vm1", "vm2", "fake1", "fake2")
PAIRS = tuple(itertools.permutations(GUESTS, 2))
# Those that get in nowhere but where everybody may, when the second of each kind has another group.
STRANGERS = ("vm2", "fake2")
MOVES = 10
# Seconds for which nothing may come through, on a busy machine, when one moves alive.
PATIENCE = 10.0


class Plug(NamedTuple):
    """How a host plugs: the backend, what its hosts are said to be, and what becomes of a port."""

    backend: str
    roles: str
    firewall: str
    hybrid: bool

    def file(self, group: str) -> str:
        """Write the lab file in which the second of each kind has a group."""

        def check(source: str, target: str) -> str:
            shut = group != "open" and source in STRANGERS and target in STRANGERS
            how = "expect: blocked" if shut else "within: 120s"
            return f"  {source} to {target}: {{kind: ping, from: {source}, to: {target}, {how}}}"

        firewall = f"firewall: {self.firewall}" if self.firewall else ""
        return FILE.format(
            backend=self.backend, roles=self.roles, firewall=firewall and f", {firewall}", rest=firewall, group=group,
            checks="\n".join(check(*pair) for pair in PAIRS),
        )  # fmt: skip


PLUGS = {
    "ovs-hybrid": Plug("ovs", "[compute, dhcp]", "iptables_hybrid", hybrid=True),
    "ovs-native": Plug("ovs", "[compute, dhcp]", "openvswitch", hybrid=False),
    "ovn": Plug("ovn", "[compute]", "", hybrid=False),
}


@pytest.fixture(scope="module", params=PLUGS)
def plug(request: pytest.FixtureRequest) -> Plug:
    return PLUGS[request.param]


@pytest.fixture(scope="module")
def lab(own_labs: Labs, plug: Plug) -> Iterator[Lab]:
    yield own_labs.up_from("mixed", plug.file("open"))
    done = own_labs.fakevm("lab", "down", "mixed")
    assert done.returncode == 0, done.stderr


def is_met(lab: Lab) -> None:
    checked = lab.fakevm("check")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def inside(lab: Lab, guest: str, line: str) -> str:
    done = lab.fakevm("exec", guest, "--", "sh", "-c", line)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def on(lab: Lab, host: str, *words: str) -> str:
    done = lab.fakevm("lab", "exec", host, "--", *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def port(lab: Lab, guest: str) -> dict[str, Any]:
    (row,) = [row for row in lab.told("list") if row["name"].startswith(guest)]
    return dict(lab.api("GET", f"/ports/{row['vif_id']}")["port"])


def host(lab: Lab, guest: str) -> str:
    (row,) = [row for row in lab.told("guest", "list") if row["name"] == guest]
    return str(row["host"])


def device(lab: Lab, on_host: str, name: str) -> dict[str, Any]:
    (seen,) = json.loads(on(lab, on_host, "ip", "-j", "-d", "address", "show", "dev", name))
    return dict(seen)


def of_switch(lab: Lab, on_host: str, name: str) -> dict[str, str]:
    """Read what Open vSwitch keeps beside an interface."""
    words = ("ovs-vsctl", "-f", "json", "--columns=external_ids", "find", "interface", f"name={name}")
    ((cell,),) = json.loads(on(lab, on_host, *words))["data"]
    return dict(cell[1])


def test_all_reach_one_another(lab: Lab) -> None:
    is_met(lab)
    red = lab.fakevm("check", "--invert", "-f", "json")
    assert {row["status"] for row in json.loads(red.stdout)} == {"failed"}


@pytest.mark.parametrize("guest", ["vm1", "vm2"])
def test_its_devices_are_those_of_novas_and_libvirts(lab: Lab, plug: Plug, guest: str) -> None:
    """What a lecture on Neutron shows of a machine that Nova made: docs/reference/guests.md has them side by side."""
    made, where = port(lab, guest), host(lab, guest)
    short, mac = made["id"][:11], made["mac_address"]
    assert (made["binding:vif_type"], made["binding:vnic_type"]) == ("ovs", "normal")
    assert made["binding:vif_details"]["port_filter"] is True
    assert bool(made["binding:vif_details"].get("ovs_hybrid_plug")) is plug.hybrid
    assert (made["device_owner"], made["status"]) == ("compute:nova", "ACTIVE")
    tap = device(lab, where, f"tap{short}")
    assert tap["address"] == f"fe{mac[2:]}"
    assert tap["linkinfo"]["info_kind"] == "tun"
    assert tap["linkinfo"]["info_data"]["type"] == "tap"
    assert {"BROADCAST", "MULTICAST", "UP", "LOWER_UP"} <= set(tap["flags"])
    assert tap["mtu"] == int(inside(lab, guest, "cat /sys/class/net/eth0/mtu"))
    switched = f"tap{short}"
    if plug.hybrid:
        switched = f"qvo{short}"
        has_the_pair_between(lab, where, short)
    else:
        assert "master" not in tap or tap["master"] == "ovs-system"
    assert switched in on(lab, where, "ovs-vsctl", "list-ports", "br-int").split()
    ids = of_switch(lab, where, switched)
    assert {name: ids[name] for name in ("attached-mac", "iface-id", "iface-status", "vm-uuid")} == {
        "attached-mac": mac, "iface-id": made["id"], "iface-status": "active", "vm-uuid": made["device_id"],
    }  # fmt: skip


def has_the_pair_between(lab: Lab, where: str, short: str) -> None:
    """Find the bridge in which Neutron's rules are, and the pair that joins it to the switch."""
    bridge = device(lab, where, f"qbr{short}")
    assert bridge["linkinfo"]["info_kind"] == "bridge"
    assert bridge["linkinfo"]["info_data"]["stp_state"] == 0
    ends = {name: device(lab, where, f"{name}{short}") for name in ("qvb", "qvo")}
    for end, other in (("qvb", "qvo"), ("qvo", "qvb")):
        seen = on(lab, where, "ethtool", "-S", f"{end}{short}")
        assert f"peer_ifindex: {ends[other]['ifindex']}\n" in seen
        assert {"PROMISC", "UP", "LOWER_UP"} <= set(ends[end]["flags"])
    members = json.loads(on(lab, where, "ip", "-j", "link", "show", "master", f"qbr{short}"))
    assert {member["ifname"] for member in members} == {f"tap{short}", f"qvb{short}"}


def test_it_moves_alive(lab: Lab, plug: Plug) -> None:
    inside(lab, "vm1", "echo kept >/tmp/kept")
    before = inside(lab, "vm1", "cat /proc/sys/kernel/random/boot_id")
    outages = []
    for number in range(MOVES):
        moved = lab.told("migrate", ("host2", "host1")[number % 2], "vm1")
        assert moved["status"] == "ACTIVE"
        outages.append(moved["outage"])
        assert inside(lab, "vm1", "cat /proc/sys/kernel/random/boot_id /tmp/kept") == f"{before}\nkept"
    assert all(seen and seen["longest_gap"] < PATIENCE for seen in outages)
    is_met(lab)
    test_its_devices_are_those_of_novas_and_libvirts(lab, plug, "vm1")


def test_security_groups_bind_both(lab: Lab, plug: Plug) -> None:
    """Of a machine as of a fake one: who may come in, and whose address opens the door to others."""
    file = lab.labs.folder / "friends.yaml"
    file.write_text(plug.file("friends"))
    applied = lab.fakevm("lab", "apply", str(file))
    assert applied.returncode == 0, applied.stderr
    is_met(lab)
    for guest in GUESTS[:3:2]:
        (address,) = port(lab, "vm2")["fixed_ips"]
        assert lab.fakevm("exec", guest, "--", "ping", "-c3", "-w60", address["ip_address"]).returncode == 0


def test_it_sends_from_its_own_address_only(lab: Lab) -> None:
    (target,) = port(lab, "fake1")["fixed_ips"]
    inside(lab, "vm1", "ip address add 192.168.64.222/24 dev eth0")
    for source, wanted in ((port(lab, "vm1")["fixed_ips"][0]["ip_address"], 0), ("192.168.64.222", 1)):
        ping = ("exec", "vm1", "--", "ping", "-c3", "-w5", "-I", source, target["ip_address"])
        assert awaited(lambda ping=ping: lab.fakevm(*ping).returncode, wanted, 30) == wanted
    inside(lab, "vm1", "ip address del 192.168.64.222/24 dev eth0")
