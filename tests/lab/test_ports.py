"""The commands on ports in a running lab: what they do, and what they say to bad input and faults."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from .conftest import begun, interrupt, until

if TYPE_CHECKING:
    from .conftest import Lab

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def network(lab: Lab) -> Iterator[str]:
    """Make a network with a subnet that DHCP serves; what is left on it is removed with it."""
    lab.network("ports-test", "10.77.0.0/24")
    yield "ports-test"
    lab.remove_network("ports-test")


def created(lab: Lab, network: str, instance: str, host: str, *options: str) -> dict[str, Any]:
    """Create a fake VM and give what the command reports."""
    done = lab.fakevm("create-port", network, instance, "--host", host, *options, "-f", "json")
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


@pytest.fixture
def vif(lab: Lab, network: str) -> Iterator[dict[str, Any]]:
    """Make a fake VM on compute1."""
    made = created(lab, network, "i-vif", "compute1")
    yield made
    lab.fakevm("delete-port", made["vif_id"])


def listed(lab: Lab) -> list[dict[str, Any]]:
    return list(json.loads(lab.fakevm("list", "-f", "json").stdout))


def test_two_guests_get_addresses_and_reach_one_another(lab: Lab, network: str, vif: dict[str, Any]) -> None:
    other = created(lab, network, "i-other", "compute2")
    address = other["addresses"][0].partition("/")[0]
    assert set(vif["seconds"]) == {"create", "bind", "plug", "active", "address", "total"}
    assert other["status"] == "ACTIVE"
    # ACTIVE or not, the other host's agent may be about to learn the way.
    done = lab.fakevm("exec", vif["vif_id"], "--", "ping", "-c3", "-w60", address)
    assert done.returncode == 0, done.stdout
    original = lab.fakevm("exec", "--host", "compute1", vif["vif_id"], f"ping -c1 -w30 {address}")
    assert "1 received" in original.stdout
    assert lab.fakevm("delete-port", other["vif_id"]).returncode == 0
    assert other["vif_id"] not in [row["vif_id"] for row in listed(lab)]


def test_a_guest_moves_and_answers_again(lab: Lab, network: str, vif: dict[str, Any]) -> None:
    other = created(lab, network, "i-stays", "compute2")
    address = other["addresses"][0].partition("/")[0]
    done = lab.fakevm("migrate", "compute2", vif["vif_id"], "--host", "compute1", "-f", "json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["host"] == "compute2"
    assert lab.fakevm("exec", vif["vif_id"], "ping", "-c2", "-w60", address).returncode == 0
    same = lab.fakevm("migrate", "compute1", vif["vif_id"], "--host", "compute1")
    assert (same.returncode, "same host" in same.stderr) == (2, True)
    wrong = lab.fakevm("migrate", "compute1", vif["vif_id"], "--host", "network1")
    assert wrong.returncode == 1
    assert "not plugged on network1" in wrong.stderr
    lab.fakevm("delete-port", other["vif_id"])


def test_plug_and_unplug(lab: Lab, vif: dict[str, Any]) -> None:
    id_ = vif["vif_id"]
    assert lab.fakevm("plug", id_, "--host", "compute1").returncode == 0
    elsewhere = lab.fakevm("plug", id_, "--host", "compute2")
    assert (elsewhere.returncode, "is plugged on compute1" in elsewhere.stderr) == (1, True)
    nothing = lab.fakevm("unplug", id_, "--host", "compute2")
    assert (nothing.returncode, "It is plugged on compute1" in nothing.stderr) == (2, True)
    assert lab.fakevm("unplug", id_, "--host", "compute1").returncode == 0
    assert lab.fakevm("exec", id_, "true").returncode == 2
    again = lab.fakevm("plug", id_, "--host", "compute1", "-f", "json")
    assert json.loads(again.stdout)["addresses"] == vif["addresses"]
    everywhere = json.loads(lab.fakevm("unplug-all-host", id_, "-f", "json").stdout)
    assert {row["host"]: row["result"] for row in everywhere}["compute1"] == "unplugged"


def test_many_are_made_and_deleted_at_once(lab: Lab, network: str) -> None:
    done = lab.fakevm("create-port", network, "bulk", "--host", "compute1", "--count", "4", "-f", "json")
    rows = json.loads(done.stdout)
    assert [row["instance"] for row in rows] == ["bulk-1", "bulk-2", "bulk-3", "bulk-4"]
    assert len({row["addresses"][0] for row in rows}) == 4
    ids = [row["vif_id"] for row in rows]
    deleted = lab.fakevm("delete-port", *ids[:2], "zzzz", *ids[2:], "-f", "json")
    assert deleted.returncode == 1
    assert "there is no guest 'zzzz'" in deleted.stderr
    shown = [(row["vif_id"], row["host"], row["result"]) for row in json.loads(deleted.stdout)]
    assert shown == [(i, *done) for i in ids for done in (("compute1", "unplugged"), ("Neutron", "deleted"))]
    assert not {row["vif_id"] for row in listed(lab)} & set(ids)


def test_bulk_creation_is_all_or_nothing(lab: Lab, network: str) -> None:
    # ip-address can be given to one port only, so the second is refused
    fixed = ("--fixed-ip", "ip-address=10.77.0.200")
    failed = lab.fakevm("create-port", network, "none", "--host", "compute1", "--count", "2", *fixed)
    assert failed.returncode == 1
    assert not [row for row in listed(lab) if row["instance"].startswith("none")]


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (("create-port", "ports-tes", "i", "--host", "compute1"), 2, "Did you mean ports-test"),
        (("create-port", "ports-test", "i", "--host", "nowhere"), 2, "compute1, compute2, network1"),
        (("show", "zzzz"), 2, "there is no guest 'zzzz'"),
        (("exec", "zzzz", "true"), 2, "there is no guest 'zzzz'"),
        (("plug", "zzzz", "--host", "compute1"), 2, "there is no guest 'zzzz'"),
        (("--lab", "no-such-lab", "list"), 2, "there is no lab 'no-such-lab'"),
        (("create-prt",), 2, "Did you mean create-port"),
    ],
)
def test_bad_input_is_answered_clearly(lab: Lab, network: str, words: tuple[str, ...], status: int, says: str) -> None:
    before = listed(lab)
    done = lab.fakevm(*words)
    assert done.returncode == status
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert [row["vif_id"] for row in listed(lab)] == [row["vif_id"] for row in before]


def test_neutrons_refusal_is_passed_on(lab: Lab, network: str) -> None:
    done = lab.fakevm("create-port", network, "i", "--host", "compute1", "--fixed-ip", "ip-address=192.0.2.1")
    assert done.returncode == 1
    assert "192.0.2.1 is not a valid IP" in done.stderr


@pytest.mark.parametrize("way", [(), ("--remote",)])
def test_exec_is_like_running_it_here(lab: Lab, vif: dict[str, Any], way: tuple[str, ...]) -> None:
    def run(*words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return lab.fakevm("exec", *way, vif["vif_id"][:13], *words, input=stdin, timeout=60)

    assert run("--", "sh", "-c", "exit 7").returncode == 7
    assert run("no-such-command").returncode == 127
    assert run("--timeout", "1", "sleep", "30").returncode == 124
    assert run("--timeout", "1", "--", "sh", "-c", "trap '' TERM; while :; do sleep 30; done").returncode == 124
    assert run("cat", stdin="hello").stdout == "hello"
    both = run("--", "sh", "-c", "echo out; echo err >&2")
    assert (both.stdout, both.stderr) == ("out\n", "err\n")
    assert vif["mac_address"] in run("ip", "link").stdout
    many = "x" * 500_000
    assert run("cat", stdin=many).stdout == many


@pytest.mark.parametrize("way", [(), ("--remote",)])
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_exec_stops_its_command(
    lab: Lab, vif: dict[str, Any], way: tuple[str, ...], signum: int
) -> None:
    mark = f"{3000 + os.getpid() % 1000}.{signum}{len(way)}"
    running = lab.labs.begin(
        "--lab", lab.record.name, "exec", *way, vif["vif_id"], "--", "sh", "-c", f"echo begun; sleep {mark}; true"
    )
    assert running.stdout
    assert running.stdout.readline() == "begun\n"
    running.send_signal(signum)
    running.communicate(timeout=120)
    assert running.returncode != 0
    deadline = time.monotonic() + 60
    while lab.fakevm("exec", vif["vif_id"], "pgrep", "-fx", f"sleep {mark}").stdout and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not lab.fakevm("exec", vif["vif_id"], "pgrep", "-fx", f"sleep {mark}").stdout


@pytest.fixture(scope="module")
def silent(lab: Lab) -> str:
    """Make a network without DHCP."""
    lab.network("silent", "10.65.0.0/24", dhcp=False)
    return "silent"


@pytest.mark.parametrize("after", [1.2, *(pytest.param(after, marks=pytest.mark.slow) for after in (0.6, 2.0))])
def test_an_interrupted_create_port_leaves_nothing(lab: Lab, silent: str, after: float) -> None:
    """On a network where nobody answers DHCP, so that it cannot be done before."""
    words = ("create-port", silent, "interrupted", "--host", "compute1", "--count", "3", "--addressing", "dhcp")
    running = lab.labs.begin("--lab", lab.record.name, *words)
    begun(running)
    time.sleep(after)
    running.send_signal(signal.SIGINT)
    output, _ = running.communicate(timeout=120)
    assert running.returncode == 130, output
    assert "Traceback" not in output
    assert not [row for row in listed(lab) if row["instance"].startswith("interrupted")]


def test_an_interrupted_delete_port_says_how_many_are_gone(lab: Lab, network: str) -> None:
    words = ("create-port", network, "late", "--host", "compute1", "--count", "12", "--no-wait")
    ids = {row["vif_id"] for row in lab.told(*words)}
    process = lab.labs.begin("--lab", lab.record.name, "delete-port", *ids)
    until(lambda: len(ids & in_neutron(lab)) < 12)
    status, said = interrupt(process)
    gone = re.search(r"(\d+) of 12 were deleted, the others stay", said)
    left = ids & {row["vif_id"] for row in listed(lab)}
    assert (status, gone and int(gone[1])) == (130, 12 - len(left)), said
    assert left, said


def in_neutron(lab: Lab) -> set[str]:
    return {port["id"] for port in lab.api("GET", "/ports?fields=id")["ports"]}


def test_the_same_commands_are_in_the_openstack_client(lab: Lab, vif: dict[str, Any]) -> None:
    done = lab.openstack("fakevm", "list", "-f", "json")
    assert done.returncode == 0, done.stderr
    assert vif["vif_id"] in [row["vif_id"] for row in json.loads(done.stdout)]
