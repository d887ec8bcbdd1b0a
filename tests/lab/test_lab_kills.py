"""Twenty times: kill -9 of something of a lab, then ``lab down``: the machine is as it was before.

What is killed is drawn by lot over all of a lab's processes (its handle and PID 1, a host's, Open vSwitch, database,
broker, agents, supervisors, guests' DHCP clients), and over commands in mid-work. FAKEVM_TEST_SEED repeats a draw.
"""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fakevm.lab import readiness, sandbox

from . import machine
from .conftest import Lab, Labs

pytestmark = pytest.mark.slow
SEED = int(os.environ.get("FAKEVM_TEST_SEED") or random.randrange(10**6))


@pytest.fixture
def draw(request: pytest.FixtureRequest) -> random.Random:
    print(f"FAKEVM_TEST_SEED={SEED}")
    return random.Random(f"{SEED} {request.node.name}")


def words_of(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        return words[:120] or Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return "gone"


def members(labs: Labs, *commands: int) -> list[int]:
    """List all processes of the labs, from the outer ``unshare`` to the last guest; not the commands."""
    return sorted(set(machine.pids(labs.mark)) - set(commands))


def kill_one(labs: Labs, draw: random.Random, *commands: int) -> str:
    """Kill one of them; returns what it was."""
    while found := members(labs, *commands):
        pid = draw.choice(found)
        words = words_of(pid)
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
        print(f"killed {pid}: {words}")
        return words
    return "nothing"


def down(labs: Labs) -> None:
    for path in labs.root.iterdir():
        done = labs.fakevm("lab", "down", path.name, timeout=180)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("number", range(8))
def test_kill_the_command_that_starts_a_lab(
    labs: Labs, small_file: Path, untouched: Callable[[], None], draw: random.Random, number: int
) -> None:
    command = labs.begin("lab", "up", str(small_file))
    # Half of them while the sandbox is made, which takes a tenth of a second.
    if number % 2:
        time.sleep(draw.uniform(0.3, 12))
    else:
        deadline = time.monotonic() + 20
        while not (labs.root / "lab").exists() and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(draw.uniform(0, 0.15))
    command.kill()
    said, _ = command.communicate()
    print(said)
    down(labs)
    untouched()


@pytest.mark.parametrize("number", range(6))
def test_kill_a_process_of_a_lab_that_starts(
    labs: Labs, small_file: Path, untouched: Callable[[], None], draw: random.Random, number: int
) -> None:
    command = labs.begin("lab", "up", str(small_file))
    time.sleep(draw.uniform(0.8, 12))
    kill_one(labs, draw, command.pid)
    time.sleep(draw.uniform(0, 1))
    command.kill()
    said, _ = command.communicate()
    print(said)
    down(labs)
    untouched()


def create(lab: Lab, name: str, host: str) -> dict[str, object]:
    done = lab.fakevm("create-port", "private", name, "--host", host, "-f", "json")
    assert done.returncode == 0, done.stderr
    made: dict[str, object] = json.loads(done.stdout)
    return made


def starts(lab: Lab, binary: str) -> set[object]:
    """Tell when the agents of this kind started, as Neutron was told by them.

    Its API may answer once more by a worker whose master is dead, and then not for a while: it is asked again.
    """
    deadline = time.monotonic() + 240
    while True:
        try:
            agents = readiness.agents(lab.record)
        except OSError:
            assert time.monotonic() < deadline, "Neutron's API did not come back"
            time.sleep(0.5)
        else:
            return {(agent["host"], agent["started_at"]) for agent in agents if agent["binary"] == binary}


def recovers(lab: Lab, one: dict[str, object], other: dict[str, object], timeout: float = 300) -> None:
    """Wait until all agents are alive and one guest pings the other."""
    address = str(other["addresses"][0]).split("/")[0]  # type: ignore[index]
    deadline = time.monotonic() + timeout
    seen = ""
    while time.monotonic() < deadline:
        try:
            dead = [agent for agent in readiness.agents(lab.record) if not agent["alive"]]
        except OSError as exc:
            dead = [{"api": str(exc)}]
        ping = lab.fakevm("exec", str(one["vif_id"]), "--", "ping", "-c", "1", "-W", "1", address, timeout=60)
        seen = f"{dead} {ping.stdout[-300:]} {ping.stderr}"
        if not dead and ping.returncode == 0:
            return
        time.sleep(1)
    raise AssertionError(f"the lab did not recover in {timeout:g} s: {seen}")


VICTIMS = (
    "neutron-openvswitch-agent",
    "neutron-fakevm-agent",
    "ovs-vswitchd",
    "mariadbd",
    "beam.smp",
    "uwsgi",
    "neutron-rpc-server",
    "dhclient",
)


def test_what_is_killed_in_a_lab_comes_back(labs: Labs, untouched: Callable[[], None], draw: random.Random) -> None:
    """One of each kind: supervision brings it back, and guests that were there answer again."""
    lab = labs.up("alive")
    lab.network("private", "10.9.0.0/24")
    one, other = create(lab, "i-1", "compute1"), create(lab, "i-2", "compute2")
    recovers(lab, one, other)
    for victim in VICTIMS:
        found = [pid for pid in members(labs) if victim in words_of(pid) and "s6-supervise" not in words_of(pid)]
        assert found, victim
        pid = draw.choice(found)
        print(f"killing {pid}: {words_of(pid)}")
        before = starts(lab, victim)
        began = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        # An agent's last report makes it look alive for a while: it must have reported anew.
        while before and starts(lab, victim) == before:
            assert time.monotonic() < began + 240, f"{victim} did not start again"
            time.sleep(0.5)
        recovers(lab, one, other)
        print(f"came back after {time.monotonic() - began:.1f} s")
    for words in (
        ("create-port", "private", "i-3", "--host", "compute1"),
        ("migrate", "compute2", str(one["vif_id"]), "--host", "compute1"),
        ("delete-port", str(other["vif_id"])),
    ):
        command = labs.begin("--lab", "alive", *words)
        time.sleep(draw.uniform(0.5, 3))
        command.kill()
        command.communicate()
    down(labs)
    untouched()


@pytest.mark.parametrize("number", range(3))
def test_kill_processes_of_a_lab_that_runs(
    labs: Labs, small_file: Path, untouched: Callable[[], None], draw: random.Random, number: int
) -> None:
    lab = labs.up("lab", str(small_file))
    handle = lab.record.pid
    killed = [kill_one(labs, draw) if number else _kill(handle)]
    if number:
        time.sleep(draw.uniform(0, 2))
        killed.append(kill_one(labs, draw))
    if "lab-init" in " ".join(killed) or not sandbox.runs(lab.record.directory, handle):
        assert labs.fakevm("lab", "list", "-f", "value", "-c", "state").stdout.strip() == "dead"
    down(labs)
    untouched()


def _kill(pid: int) -> str:
    words = words_of(pid)
    os.kill(pid, signal.SIGKILL)
    return words
