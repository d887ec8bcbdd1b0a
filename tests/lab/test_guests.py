"""Guests and their interfaces in a running lab: several ports of one guest, stop and start, attach and detach."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from .conftest import Lab, awaited, begun, interrupt, until

if TYPE_CHECKING:
    from .conftest import Labs

pytestmark = pytest.mark.lab
FRONT, BACK, SILENT = "guests-front", "guests-back", "guests-silent"


@pytest.fixture(scope="module", autouse=True)
def networks(lab: Lab) -> Iterator[None]:
    """Make networks, one of them without DHCP; what is left on them is removed with them."""
    lab.network(FRONT, "10.81.0.0/24")
    lab.network(BACK, "10.82.0.0/24")
    lab.network(SILENT, "10.83.0.0/24", dhcp=False)
    yield
    for name in (FRONT, BACK, SILENT):
        lab.remove_network(name)


@pytest.fixture(scope="module")
def pair(lab: Lab, networks: None) -> list[dict[str, Any]]:
    """Make a guest with two ports on compute1: the second goes where the first is, though nothing says so."""
    first = lab.guest(FRONT, "pair", "compute1")
    return [first, lab.told("create-port", BACK, "pair")]


def guest(lab: Lab, name: str) -> dict[str, Any]:
    return dict(lab.told("guest", "show", name))


def port(lab: Lab, port_id: str) -> dict[str, Any]:
    return dict(lab.api("GET", f"/ports/{port_id}")["port"])


def addresses(lab: Lab, name: str) -> dict[str, set[str]]:
    """Give the guest's own view: the addresses of each device."""
    done = lab.fakevm("exec", name, "--", "ip", "-json", "address", "show", "scope", "global")
    assert done.returncode == 0, done.stderr
    # ip leaves empty objects where it left something out.
    found = {
        device["ifname"]: {f"{info['local']}/{info['prefixlen']}" for info in device["addr_info"] if info}
        for device in json.loads(done.stdout)
        if device
    }
    return {name: there for name, there in found.items() if there}


def refused(lab: Lab, *words: str, status: int = 1) -> str:
    done = lab.fakevm(*words)
    assert done.returncode == status, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return str(done.stderr)


def test_ports_of_one_instance_are_interfaces_of_one_guest(lab: Lab, pair: list[dict[str, Any]]) -> None:
    assert [made["host"] for made in pair] == ["compute1", "compute1"]
    seen = guest(lab, "pair")
    assert {each["attached"]: each["addresses"] for each in seen["interfaces"]} == {
        made["vif_id"]: made["addresses"] for made in pair
    }
    assert (seen["state"], seen["host"], seen["kind"]) == ("running", "compute1", "namespace")
    assert addresses(lab, "pair") == {each["name"]: set(each["addresses"]) for each in seen["interfaces"]}
    listed = {row["name"]: row for row in lab.told("guest", "list")}
    assert listed["pair"]["interfaces"] == seen["interfaces"]
    for words in (pair[1]["vif_id"], pair[0]["vif_id"][:13]):
        assert guest(lab, words)["id"] == "pair"


def test_a_guest_has_no_interface_on_another_host(lab: Lab, pair: list[dict[str, Any]]) -> None:
    said = refused(lab, "create-port", FRONT, "pair", "--host", "compute2")
    assert "guest pair is on compute1: it cannot have an interface on compute2" in said
    assert len([row for row in lab.told("list") if row["instance"] == "pair"]) == 2
    assert "guest pair is on compute1, not on compute2" in refused(
        lab, "guest", "show", "pair", "--host", "compute2", status=2
    )


def test_two_that_make_a_guest_on_two_hosts_at_once_make_one(lab: Lab) -> None:
    words = ("create-port", FRONT, "contested", "-f", "json", "--addressing", "static", "--host")
    both = [lab.labs.begin("--lab", lab.record.name, *words, f"compute{n}") for n in (1, 2)]
    said = [process.communicate(timeout=600)[0] for process in both]
    assert sorted(process.returncode for process in both) == [0, 1], said
    loser = next(text for process, text in zip(both, said, strict=True) if process.returncode)
    assert "guest contested is on compute" in loser
    found = [row for row in lab.told("guest", "list") if row["id"] == "contested"]
    assert [len(row["interfaces"]) for row in found] == [1]
    assert lab.fakevm("delete-port", "contested").returncode == 0
    assert "contested" not in [row["id"] for row in lab.told("guest", "list")]


def test_two_that_give_a_guest_an_interface_each_wait_for_one_another(lab: Lab) -> None:
    words = ("create-port", FRONT, "shared", "-f", "json", "--addressing", "static", "--host", "compute2")
    both = [lab.labs.begin("--lab", lab.record.name, *words) for _ in range(2)]
    said = [process.communicate(timeout=600)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert len(guest(lab, "shared")["interfaces"]) == 2
    assert lab.fakevm("delete-port", "--all", "shared").returncode == 0


def test_a_guest_stops_and_comes_back_as_it_was(lab: Lab, pair: list[dict[str, Any]]) -> None:
    before = addresses(lab, "pair")
    (stopped,) = lab.told("guest", "stop", "pair")
    assert (stopped["result"], stopped["state"]) == ("stopped", "stopped")
    (again,) = lab.told("guest", "stop", "pair")
    assert again["result"] == "no change"
    assert "is stopped" in refused(lab, "exec", "pair", "true", status=2)
    for made in pair:
        assert awaited(lambda made=made: port(lab, made["vif_id"])["status"], "DOWN", 60) == "DOWN"  # type: ignore[misc]
        assert port(lab, made["vif_id"])["binding:host_id"] == "compute1"
    said = refused(lab, "create-port", FRONT, "pair", "--host", "compute1")
    assert "guest pair is stopped on compute1\nStart it first: fakevm guest start pair" in said
    (started,) = lab.told("guest", "start", "pair")
    assert (started["result"], started["state"]) == ("started", "running")
    assert [port(lab, made["vif_id"])["status"] for made in pair] == ["ACTIVE", "ACTIVE"]
    assert addresses(lab, "pair") == before
    assert lab.told("guest", "start", "pair")[0]["result"] == "no change"


def test_a_reboot_ends_what_runs_and_an_interrupted_start_is_taken_back(lab: Lab, pair: list[dict[str, Any]]) -> None:
    before = addresses(lab, "pair")
    assert lab.fakevm("exec", "pair", "--", "ip", "link", "set", "lo", "mtu", "1400").returncode == 0
    assert lab.told("guest", "reboot", "pair")[0]["result"] == "rebooted"
    assert addresses(lab, "pair") == before
    assert "mtu 65536" in lab.fakevm("exec", "pair", "--", "ip", "link", "show", "lo").stdout
    lab.told("guest", "stop", "pair")
    starting = lab.labs.begin("--lab", lab.record.name, "guest", "start", "pair")
    begun(starting)
    until(lambda: starting.poll() is not None or guest(lab, "pair")["state"] == "running")
    status, said = interrupt(starting, signal.SIGINT)
    assert "Traceback" not in said
    # Either it was done already, or it is as before.
    assert (status, guest(lab, "pair")["state"]) in ((0, "running"), (130, "stopped")), said
    lab.told("guest", "start", "--create", "pair", "--host", "compute1")
    assert addresses(lab, "pair") == before


def test_interfaces_come_and_go_while_a_guest_runs(lab: Lab, pair: list[dict[str, Any]]) -> None:
    before = addresses(lab, "pair")
    made = lab.told("interface", "attach", "pair", "--network", BACK, "--device", "eth9")
    assert (made["interface"], made["status"], made["instance"]) == ("eth9", "ACTIVE", "pair")
    assert addresses(lab, "pair") == before | {"eth9": set(made["addresses"])}
    assert "has an interface eth9 already" in refused(
        lab, "interface", "attach", "pair", "--network", FRONT, "--device", "eth9"
    )
    gone = lab.told("interface", "detach", "pair", "eth9")
    assert (gone["interface"], gone["port"]) == ("eth9", "nobody's")
    left = port(lab, made["vif_id"])
    assert (left["device_id"], left["device_owner"], left["binding:host_id"]) == ("", "", "")
    assert addresses(lab, "pair") == before
    back = lab.told("interface", "attach", "pair", "--port", made["vif_id"])
    assert port(lab, made["vif_id"])["device_id"] == "pair"
    assert addresses(lab, "pair")[back["interface"]] == set(made["addresses"])
    assert lab.told("interface", "detach", "pair", made["vif_id"], "--delete")["port"] == "deleted"
    assert addresses(lab, "pair") == before


def test_a_guest_without_interfaces_can_be_made_and_removed(lab: Lab) -> None:
    assert lab.told("guest", "start", "--create", "bare", "--host", "compute2")[0]["result"] == "created"
    assert guest(lab, "bare")["interfaces"] == []
    made = lab.told("create-port", FRONT, "bare", "--addressing", "static")
    assert made["host"] == "compute2"
    assert lab.told("interface", "detach", "bare", made["vif_id"][:13], "--delete")["result"] == "detached"
    # On a network where nobody answers DHCP it is taken back: the guest is what it was, without any interface.
    words = ("interface", "attach", "bare", "--network", SILENT, "--addressing", "dhcp", "--timeout", "3")
    assert re.search(r"Undone: unplugged port .* on compute2, deleted port", refused(lab, *words))
    assert (guest(lab, "bare")["state"], guest(lab, "bare")["interfaces"]) == ("running", [])
    assert lab.told("guest", "remove", "bare")[0]["result"] == "removed"
    assert "there is no guest 'bare'" in refused(lab, "guest", "show", "bare", status=2)


MISTAKES = (
    ("guest show zzzz", 2, "there is no guest 'zzzz'"),
    ("guest stop pair --host compute2", 2, "guest pair is on compute1, not on compute2"),
    ("guest start --create pair --host compute2", 1, "guest pair is on compute1"),
    ("guest start --create new", 2, "--create needs --host"),
    ("interface detach pair eth7", 2, "guest pair has no interface 'eth7'"),
    ("interface attach pair --network guests-fron", 2, "Did you mean guests-front"),
    ("interface attach pair --network guests-front --device sixteen-letters-", 2, "is not a device's name"),
    ("interface attach pair --port zzzz", 2, "there is no guest 'zzzz'"),
)


def test_bad_input_is_answered_clearly(lab: Lab, pair: list[dict[str, Any]]) -> None:
    before = guest(lab, "pair")
    for words, status, says in MISTAKES:
        assert says in refused(lab, *words.split(), status=status), words
    assert guest(lab, "pair") == before


def test_a_guest_goes_with_its_last_port(lab: Lab, pair: list[dict[str, Any]]) -> None:
    assert "has 2 ports" in refused(lab, "delete-port", "pair", status=2)
    assert lab.fakevm("delete-port", pair[0]["vif_id"]).returncode == 0
    assert len(guest(lab, "pair")["interfaces"]) == 1
    assert lab.fakevm("delete-port", "--all", "pair").returncode == 0
    assert "pair" not in [row["id"] for row in lab.told("guest", "list")]


TRUNK = """\
name: trunk
hosts: {host1: {roles: [compute, dhcp]}}
networks: {plain: {subnets: {plain4: {cidr: 10.84.0.0/24}}}, tagged: {subnets: {tagged4: {cidr: 10.85.0.0/24}}}}
guests: {t: {ports: [{network: plain, trunk: [{network: tagged, vlan: 5}]}]}}
"""


def test_a_device_that_this_kernel_cannot_make_is_recorded_and_told(labs: Labs) -> None:
    file = labs.folder / "trunk.yaml"
    file.write_text(TRUNK)
    done = labs.fakevm("lab", "up", str(file))
    assert done.returncode == 0, done.stderr
    made = Lab(labs, labs.record("trunk"))
    (able,) = [row["Status"] == "ok" for row in made.told("doctor") if row["Name"] == "8021q"]
    missing = "no device vlan5, as this kernel makes none"
    assert (missing in done.stderr) is not able, done.stderr
    for _ in range(2):
        (vlan,) = [each for each in guest(made, "t")["interfaces"] if each["kind"] == "vlan"]
        assert (vlan["name"], missing in vlan["lacks"]) == ("vlan5", not able)
        assert (made.fakevm("exec", "t", "--", "ip", "link", "show", "vlan5").returncode == 0) is able
        assert bool(vlan["addresses"]) is able
        # It is an interface that the agent keeps: also after a reboot.
        made.told("guest", "reboot", "t")
    assert "vlan5 comes with the trunk" in refused(made, "interface", "detach", "t", "vlan5", status=2)
