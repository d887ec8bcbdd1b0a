"""Live migration in a running lab: what moves, what is lost meanwhile, and every way back."""

from __future__ import annotations

import itertools
import json
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from fakevm.control.migration.live import LiveMigration

from . import sighting
from .conftest import FAKEVM, awaited, until

if TYPE_CHECKING:
    from .conftest import Lab

pytestmark = pytest.mark.lab

NETWORK, SECOND = "moves", "moves-too"
# Of 10 ms probes: a live migration loses a few, a cold one more than a thousand; `make bench` has the figures.
FEW = 600
# There and back, twice: the guest ends where it began. `make bench` moves ten times.
MOVES = 4
# No processes of these guests go along, so nothing is frozen: test_processes has that.
THEIR_STEPS = [name for name in LiveMigration.step_names if name != "freeze"]
STEPS = [name for name in THEIR_STEPS if name != "check"]
# Before the guest sleeps, while it does, when it runs elsewhere. Unit tests have each step.
TELLING = ("bind-destination", "resume-destination", "wait-active")


def guest(lab: Lab, host: str, *options: str, network: str = NETWORK, instance: str = "") -> dict[str, Any]:
    """Create a fake VM as Nova would, with a UUID for its instance: so Neutron sends events about it."""
    instance = instance or str(uuid.uuid4())
    done = lab.fakevm("create-port", network, instance, "--host", host, *options, "-f", "json")
    assert done.returncode == 0, done.stderr
    made = dict(json.loads(done.stdout))
    made["address"] = made["addresses"][0].partition("/")[0]
    return made


def moved(lab: Lab, vif: dict[str, Any], source: str, destination: str, *options: str) -> dict[str, Any]:
    """Move a guest; gives the report, and as ``said`` what there was to warn of."""
    done = lab.fakevm("migrate", destination, vif["vif_id"], "--host", source, *options, "-f", "json")
    assert done.returncode == 0, done.stderr
    return {**json.loads(done.stdout), "said": done.stderr}


def shown(lab: Lab, vif: dict[str, Any]) -> dict[str, Any]:
    return dict(json.loads(lab.fakevm("show", vif["vif_id"], "-f", "json").stdout))


def bindings(lab: Lab, vif: dict[str, Any]) -> dict[str, str]:
    """Ask Neutron for the port's bindings: the status of each, by host."""
    found = lab.api("GET", f"/ports/{vif['vif_id']}/bindings")["bindings"]
    return {binding["host"]: binding["status"] for binding in found}


def is_seen(lab: Lab, observer: dict[str, Any], vif: dict[str, Any]) -> None:
    """Ping the guest from the observer until three answers in a row come, two minutes at most."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        done = lab.fakevm("exec", observer["vif_id"], "--", "ping", "-c3", "-i0.2", "-W1", vif["address"])
        if done.returncode == 0 and " 0% packet loss" in done.stdout:
            return
    pytest.fail(sighting.account(lab, observer, vif))


def is_whole(lab: Lab, observer: dict[str, Any], vif: dict[str, Any], host: str) -> None:
    """Make sure that the port is on one host and nothing of a migration is left."""
    is_seen(lab, observer, vif)
    assert bindings(lab, vif) == {host: "ACTIVE"}
    assert awaited(lambda: shown(lab, vif)["status"], "ACTIVE", 120) == "ACTIVE"
    seen = shown(lab, vif)
    assert (seen["plugged_on"], seen["host"]) == ([host], host)
    assert "migration" not in seen


def run_in(lab: Lab, vif: dict[str, Any], *command: str) -> str:
    done = lab.fakevm("exec", vif["vif_id"], "--", *command)
    assert done.returncode == 0, done.stderr
    return done.stdout


def taken_along(lab: Lab, vif: dict[str, Any]) -> dict[str, str]:
    """Look at what a guest takes along when it moves."""
    # A new guest's own address is tentative for the second in which the kernel looks for doubles.
    look = ("ip", "-o", "-6", "address", "show", "scope", "link", "tentative")
    until(lambda: not run_in(lab, vif, *look))
    looks = ("ip -4 route", "ip neigh show nud permanent", "cat /etc/resolv.conf", "ip -o -6 address show scope link")
    # An address that moved is not looked for again: it is the guest's already.
    return {look: run_in(lab, vif, *look.split()).replace(" nodad", "") for look in looks}


@pytest.fixture(scope="module")
def network(lab: Lab) -> Iterator[str]:
    """Make the network; what is left on it is removed with it."""
    yield lab.network(NETWORK, "10.88.0.0/24")
    lab.remove_network(NETWORK)


@pytest.fixture(scope="module")
def observer(lab: Lab, network: str) -> dict[str, Any]:
    """Make the guest that watches; it never moves."""
    return guest(lab, "network1")


@pytest.fixture(scope="module")
def mover(lab: Lab, network: str, observer: dict[str, Any]) -> dict[str, Any]:
    """Make the guest that moves."""
    return guest(lab, "compute1")


@pytest.fixture
def vif(lab: Lab, mover: dict[str, Any]) -> dict[str, Any]:
    """Give the guest that moves, whole and on compute1, whatever an earlier test did to it."""
    if bindings(lab, mover) != {"compute1": "ACTIVE"}:
        lab.fakevm("migrate", "--recover", mover["vif_id"])
        lab.fakevm("migrate", "compute1", mover["vif_id"], "--probe-from", "none")
    return mover


def test_the_guest_goes_on_at_the_destination(
    lab: Lab, vif: dict[str, Any], observer: dict[str, Any], tmp_path: Path
) -> None:
    run_in(lab, vif, "ip", "route", "add", "192.0.2.0/24", "via", "10.88.0.1")
    neighbour = ("10.88.0.250", "lladdr", "02:00:00:00:00:fa", "dev", shown(lab, vif)["compute1.device"])
    run_in(lab, vif, "ip", "neigh", "replace", *neighbour, "nud", "permanent")
    before = taken_along(lab, vif)
    page, figures = tmp_path / "move.html", tmp_path / "move.json"
    there = moved(lab, vif, "compute1", "compute2", "--report", str(page))
    assert (there["host"], there["status"], there["addresses"]) == ("compute2", "ACTIVE", vif["addresses"])
    is_whole(lab, observer, vif, "compute2")
    assert taken_along(lab, vif) == before
    assert "<svg" in page.read_text()
    back = moved(lab, vif, "compute2", "compute1", "--report", str(figures))
    report = json.loads(figures.read_text())
    # Neutron's agent may need help, which is told among the steps.
    steps = [step["name"] for step in report["steps"] if step["name"] not in ("nudge", "replug")]
    assert steps == THEIR_STEPS
    assert {event["name"] for event in report["events"]} >= {"network-vif-plugged"}
    assert [sample["host"] for sample in report["samples"]][-1] == "compute1"
    for move in (there, back):
        seen = move["outage"]
        assert seen is not None, move["said"]
        assert seen["sent"] > 50
        assert seen["lost"] <= FEW
        assert seen["duplicated"] == 0
    is_whole(lab, observer, vif, "compute1")


@pytest.mark.parametrize("step", [s if s in TELLING else pytest.param(s, marks=pytest.mark.slow) for s in STEPS])
def test_a_failure_at_any_step_leaves_it_where_it_was(
    lab: Lab, vif: dict[str, Any], observer: dict[str, Any], step: str
) -> None:
    done = lab.fakevm("migrate", "compute2", vif["vif_id"], "--host", "compute1", "--fail-at", step)
    assert done.returncode == 1, done.stdout
    assert f"step {step} was made to fail" in done.stderr
    assert "LEFT BEHIND" not in done.stderr
    is_whole(lab, observer, vif, "compute1")


@pytest.fixture(scope="module")
def second_network(lab: Lab, network: str) -> Iterator[str]:
    """Make a further network, with a guest that watches there."""
    yield lab.network(SECOND, "10.89.0.0/24")
    lab.remove_network(SECOND)


@pytest.fixture(scope="module")
def observers(lab: Lab, observer: dict[str, Any], second_network: str) -> list[dict[str, Any]]:
    """Give a guest that watches in each network; they never move."""
    return [observer, guest(lab, "network1", network=second_network)]


@pytest.fixture(scope="module")
def pair(lab: Lab, observers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Make a guest with two ports in two networks; gives both."""
    first = guest(lab, "compute1")
    return [first, guest(lab, "compute1", network=SECOND, instance=first["instance"])]


@pytest.fixture
def ports(lab: Lab, pair: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give the guest with two ports, whole and on compute1, whatever an earlier test did to it."""
    if any(bindings(lab, vif) != {"compute1": "ACTIVE"} for vif in pair):
        lab.fakevm("migrate", "--recover", pair[0]["vif_id"])
        lab.fakevm("migrate", "compute1", pair[0]["vif_id"], "--probe-from", "none")
    return pair


def both_are_whole(lab: Lab, observers: list[dict[str, Any]], ports: list[dict[str, Any]], host: str) -> None:
    for observer, vif in zip(observers, ports, strict=True):
        is_whole(lab, observer, vif, host)
    addresses = run_in(lab, ports[0], "ip", "-br", "-4", "addr")
    assert all(vif["addresses"][0] in addresses for vif in ports)


@pytest.mark.parametrize("kind", ["--live", pytest.param("--cold", marks=pytest.mark.slow)])
def test_a_guest_moves_with_both_its_ports(
    lab: Lab, ports: list[dict[str, Any]], observers: list[dict[str, Any]], kind: str
) -> None:
    there = moved(lab, ports[1], "compute1", "compute2", kind)
    assert (there["host"], there["status"]) == ("compute2", "ACTIVE")
    assert [one["attached"] for one in there["interfaces"]] == [vif["vif_id"] for vif in ports]
    assert there["outage"] == there["interfaces"][0]["outage"]
    for one, observer in zip(there["interfaces"], observers, strict=True):
        assert one["outage"], there["said"]
        assert one["outage"]["observer"] == observer["name"]
        assert one["outage"]["duplicated"] == 0
        assert one["outage"]["lost"] <= (FEW if kind == "--live" else 60 * FEW)
    both_are_whole(lab, observers, ports, "compute2")
    moved(lab, ports[0], "compute2", "compute1", kind)
    both_are_whole(lab, observers, ports, "compute1")


# Unit tests have each step, and a lab with ML2/OVN has one of them (test_guest_moves).
@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS)
def test_a_failure_leaves_both_ports_where_they_were(
    lab: Lab, ports: list[dict[str, Any]], observers: list[dict[str, Any]], step: str
) -> None:
    done = lab.fakevm("migrate", "compute2", ports[0]["instance"], "--host", "compute1", "--fail-at", step)
    assert done.returncode == 1, done.stdout
    assert f"step {step} was made to fail" in done.stderr
    assert "LEFT BEHIND" not in done.stderr
    both_are_whole(lab, observers, ports, "compute1")


def test_a_guest_of_which_one_port_was_switched_is_repaired(
    lab: Lab, ports: list[dict[str, Any]], observers: list[dict[str, Any]]
) -> None:
    move = _begun(lab, ports[0], "--delay", "pause-source=120")
    _until(lambda: "compute2" in shown(lab, ports[1])["plugged_on"])
    _until(lambda: bindings(lab, ports[1]) == {"compute1": "ACTIVE", "compute2": "INACTIVE"})
    move.kill()
    move.wait()
    lab.api("PUT", f"/ports/{ports[0]['vif_id']}/bindings/compute2/activate")
    assert bindings(lab, ports[0])["compute2"] == "ACTIVE"
    done = lab.fakevm("migrate", "--recover", ports[1]["vif_id"], "-f", "json")
    assert done.returncode == 0, done.stderr
    # It is awake there.
    assert json.loads(done.stdout)["host"] == "compute1"
    both_are_whole(lab, observers, ports, "compute1")


def test_bad_words(lab: Lab, vif: dict[str, Any], tmp_path: Path) -> None:
    for words, status, says in (
        (("compute1", vif["vif_id"]), 2, "same host"),
        (("nowhere", vif["vif_id"], "--host", "compute1"), 2, "nowhere"),
        (("compute2", vif["vif_id"], "--host", "network1"), 1, "not plugged on network1"),
        (("compute2", vif["vif_id"], "--fail-at", "lunch"), 2, "bind-destination"),
        (("compute2", vif["vif_id"], "--host", "compute1", "--fail-at", "freeze"), 2, "no processes of"),
        (("compute2", vif["vif_id"], "--report", str(tmp_path / "x.doc")), 2, ".html"),
        (("compute2",), 2, "DEST GUEST"),
        (("--all",), 2, "--host SRC"),
        (("--recover", "ffffffff"), 2, "ffffffff"),
    ):
        done = lab.fakevm("migrate", *words)
        assert done.returncode == status, (words, done.stderr)
        assert says in done.stderr, words
    assert bindings(lab, vif) == {"compute1": "ACTIVE"}


@contextmanager
def sniffed(lab: Lab, address: str, seen: list[tuple[float, str]], folder: Path) -> Iterator[None]:
    """Note when which compute host got an ICMP answer from its own guest of this address."""
    filter_ = f"icmp[icmptype] == icmp-echoreply and src host {address}"
    sniff = ("tcpdump", "-i", "any", "-Q", "in", "-n", "-tt", "-l", "--immediate-mode", filter_)
    sniffers = {}
    for host in ("compute1", "compute2"):
        with (folder / host).open("w") as said, (folder / f"{host}.begun").open("w") as begun:
            words = [FAKEVM, "--lab", lab.record.name, "lab", "exec", host, "--", *sniff]
            sniffers[host] = subprocess.Popen(words, env=lab.labs.env(), stdout=said, stderr=begun)
    for host in sniffers:
        _until(lambda host=host: "listening on" in (folder / f"{host}.begun").read_text())
    try:
        yield
    finally:
        for host, sniffer in sniffers.items():
            sniffer.terminate()
            sniffer.wait(timeout=60)
            times = (line.split()[0] for line in (folder / host).read_text().splitlines() if "echo reply" in line)
            seen.extend((float(at), host) for at in times)
        seen.sort()


def test_moves_under_load(lab: Lab, vif: dict[str, Any], observer: dict[str, Any], tmp_path: Path) -> None:
    talker, listener = guest(lab, "compute1"), guest(lab, "compute2")
    serving = lab.labs.begin("--lab", lab.record.name, "exec", listener["vif_id"], "--", "iperf3", "-s", "-1")
    _until(lambda: ":5201" in lab.fakevm("exec", listener["vif_id"], "--", "ss", "-Hltn").stdout)
    talk = ("iperf3", "-c", listener["address"], "-t", "600", "-b", "20M")
    talking = lab.labs.begin("--lab", lab.record.name, "exec", talker["vif_id"], "--", *talk)
    frames: list[tuple[float, str]] = []
    hosts = ["compute1", "compute2"]
    with sniffed(lab, vif["address"], frames, tmp_path):
        for turn in range(MOVES):
            source, destination = hosts[turn % 2], hosts[(turn + 1) % 2]
            there = moved(lab, vif, source, destination, "--probe-from", observer["vif_id"])
            assert there["status"] == "ACTIVE"
            assert there["outage"] is not None, there["said"]
            assert there["outage"]["duplicated"] == 0
            assert bindings(lab, vif) == {destination: "ACTIVE"}
    assert talking.poll() is None, "the transfer did not survive: " + talking.communicate()[0]
    for process in (talking, serving):
        process.send_signal(signal.SIGINT)
        process.wait(20)
    # Each move changes the host that answers once; a frame of the wrong host would make it change more often.
    assert frames
    assert sum(one[1] != other[1] for one, other in itertools.pairwise(frames)) == MOVES
    is_whole(lab, observer, vif, "compute1")
    for other in (talker, listener):
        lab.fakevm("delete-port", other["vif_id"])


def _until(condition: Callable[[], object], timeout: float = 90) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def _begun(lab: Lab, vif: dict[str, Any], *options: str) -> subprocess.Popen[str]:
    words = ("migrate", "compute2", vif["vif_id"], "--host", "compute1", *options)
    return lab.labs.begin("--lab", lab.record.name, *words)


@pytest.mark.parametrize(
    ("moment", "keeper"), [({"compute2": "INACTIVE"}, "compute1"), ({"compute2": "ACTIVE"}, "compute2")]
)
def test_a_killed_command_is_repaired(
    lab: Lab, vif: dict[str, Any], observer: dict[str, Any], moment: dict[str, str], keeper: str
) -> None:
    # The moments would be over too soon to be met for certain: the steps after them wait.
    move = _begun(lab, vif, "--delay", "pause-source=5", "--delay", "unplug-source=120")
    _until(lambda: moment.items() <= bindings(lab, vif).items())
    move.kill()
    move.wait()
    assert "migrate --recover" in shown(lab, vif)["migration"]
    refused = lab.fakevm("migrate", "compute1" if keeper == "compute2" else "compute2", vif["vif_id"])
    assert (refused.returncode, "--recover" in refused.stderr) == (1, True)
    done = lab.fakevm("migrate", "--recover", vif["vif_id"], "-f", "json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["host"] == keeper
    is_whole(lab, observer, vif, keeper)
    nothing = json.loads(lab.fakevm("migrate", "--recover", vif["vif_id"], "-f", "json").stdout)
    assert (nothing["found"], nothing["done"]) == (["nothing wrong"], [])
    if keeper == "compute2":
        moved(lab, vif, "compute2", "compute1")


def test_a_dead_destination_is_repaired(lab: Lab, vif: dict[str, Any], observer: dict[str, Any]) -> None:
    agent = str(lab.record.host_directory("compute2") / "service/neutron-fakevm-agent")
    # Without the delay it may be over before the agent is dead.
    move = _begun(lab, vif, "--timeout", "60", "--delay", "pause-source=60")
    _until(lambda: "compute2" in shown(lab, vif)["plugged_on"])
    try:
        subprocess.run(["s6-svc", "-wd", "-T", "40000", "-d", agent], check=True)
        said = move.communicate(timeout=600)[0]
        assert move.returncode == 1, said
        assert "compute2" in said
        is_seen(lab, observer, vif)
    finally:
        subprocess.run(["s6-svc", "-u", agent], check=True)
    # Its exit status says whether everything could be repaired: not before the agent is back.
    _until(lambda: lab.fakevm("migrate", "--recover", vif["vif_id"]).returncode == 0, timeout=300)
    is_whole(lab, observer, vif, "compute1")


def test_a_host_is_emptied(
    lab: Lab, vif: dict[str, Any], observer: dict[str, Any], ports: list[dict[str, Any]]
) -> None:
    # More than are moved at once.
    words = ("create-port", NETWORK, "herd", "--host", "compute1", "--count", "6", "-f", "json")
    herd = json.loads(lab.fakevm(*words).stdout)
    done = lab.fakevm("migrate", "--all", "--host", "compute1", "-f", "json", timeout=900)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert {row["vif_id"] for row in rows} >= {vif["vif_id"], *(one["vif_id"] for one in herd)}
    assert {(row["host"], row["result"]) for row in rows} == {("compute2", "moved")}
    # A guest with two ports is one.
    assert [row["vif_id"] for row in rows if row["instance"] == ports[0]["instance"]] == [ports[0]["vif_id"]]
    assert bindings(lab, ports[1]) == {"compute2": "ACTIVE"}

    def here() -> list[dict[str, Any]]:
        return [row for row in lab.told("list") if row["network"] == NETWORK]

    assert awaited(lambda: {row["status"] for row in here()}, {"ACTIVE"}, 120) == {"ACTIVE"}
    for row in here():
        assert row["host"] != "compute1"
        assert row["plugged_on"] == [row["host"]]
    is_seen(lab, observer, vif)
    assert lab.fakevm("delete-port", *(one["vif_id"] for one in herd)).returncode == 0
    moved(lab, vif, "compute2", "compute1")
