"""Two commands at once on one port: one wins, the other is told so at once, and nothing is left.

Moments are drawn by lot; FAKEVM_TEST_SEED repeats a draw.
"""

from __future__ import annotations

import os
import random
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from fakevm.agent.store import Store

from .conftest import awaited

if TYPE_CHECKING:
    from .conftest import Lab, Labs

pytestmark = pytest.mark.lab
SEED = int(os.environ.get("FAKEVM_TEST_SEED") or random.randrange(10**6))
NETWORK = "races"
# Seconds: on a quiet machine no command may go on for longer when what it waits for is gone, or another has it. A busy
# one may be so many times slower.
HANG, SLOWER = 20, 4
# For a whole command.
LONGEST = 150 * SLOWER
TIMES = 10


class Race:
    """A lab, and the lots that are drawn for its races."""

    def __init__(self, lab: Lab, name: str) -> None:
        print(f"FAKEVM_TEST_SEED={SEED}")
        self.lab = lab
        self.draw = random.Random(f"{SEED} {name}")
        self.hosts = [host.name for host in lab.record.hosts if host.roles != ("outside",)]

    def begin(self, *words: str) -> Runner:
        return Runner(self.lab.labs.begin("--lab", self.lab.record.name, *words), words)

    def guest(self, host: str) -> str:
        """Make a guest; gives its port's id."""
        return str(self.lab.guest(NETWORK, f"i-{self.draw.randrange(10**9)}", host, "--addressing", "static")["vif_id"])

    def port(self) -> str:
        """Make a port that is bound nowhere."""
        made = self.lab.openstack("port", "create", "--network", NETWORK, "r", "-f", "value", "-c", "id")
        assert made.returncode == 0, made.stderr
        return made.stdout.strip()

    def sleep(self, longest: float) -> None:
        """Let some time pass: this is what is drawn by lot."""
        moment = self.draw.uniform(0, longest)
        print(f"after {moment:.2f} s")
        time.sleep(moment)

    def asked(self, path: str) -> Any:
        return self.lab.api("GET", path)

    def traces(self, port: str) -> dict[str, str]:
        """Find what hosts have of a port, however it is called there."""
        look = "ip netns; ip -o link; ovs-vsctl list-ports br-int"
        found = {}
        looks = {
            host: self.lab.labs.begin("--lab", self.lab.record.name, "lab", "exec", host, "--", "sh", "-c", look)
            for host in self.hosts
        }
        for host, looking in looks.items():
            said = looking.communicate(timeout=LONGEST)[0]
            records = Store(self.lab.record.host_directory(host) / "agent").all()
            kept = [record.guest.id for record in records if record.of_port(port)]
            lines = [line for line in said.splitlines() if port[:10] in line] + kept
            if lines:
                found[host] = "\n".join(lines)
        return found

    def nothing_is_left_of(self, port: str) -> None:
        assert awaited(lambda: self.traces(port), {}, HANG * SLOWER) == {}
        assert self.asked(f"/ports?id={port}")["ports"] == []

    def is_whole(self, port: str, host: str) -> None:
        """Make sure that a port is on one host, wholly, and ends there."""
        bindings = self.asked(f"/ports/{port}/bindings")["bindings"]
        assert {b["host"]: b["status"] for b in bindings} == {host: "ACTIVE"}
        assert set(self.traces(port)) == {host}
        assert "migration" not in self.lab.told("show", port)
        self.lab.told("delete-port", port)
        self.nothing_is_left_of(port)


class Runner:
    """A command under way."""

    def __init__(self, process: subprocess.Popen[str], words: tuple[str, ...]) -> None:
        self.words = words
        self._process = process
        self._began = time.monotonic()

    @property
    def runs(self) -> bool:
        return self._process.poll() is None

    def end(self, timeout: float = LONGEST) -> tuple[int, str]:
        """Wait until it has ended by itself; gives its exit status and what it said."""
        waited = time.monotonic()
        try:
            said = self._process.communicate(timeout=timeout)[0]
        except subprocess.TimeoutExpired:
            self._process.kill()
            pytest.fail(f"{' '.join(self.words)} still ran after {timeout} s: {self._process.communicate()[0]}")
        now = time.monotonic()
        took = f"{now - self._began:.1f} s, the last {now - waited:.1f} s of them waited for"
        print(f"{' '.join(self.words)}: {self._process.returncode}, {took}\n{said}")
        assert "Traceback" not in said
        assert "LEFT BEHIND" not in said
        assert "HTTP" not in said
        return self._process.returncode, said


def one_of_two(first: Runner, second: Runner) -> tuple[Runner, str]:
    """Wait for two commands of which one must win; gives it, and what the other said."""
    ended = {runner: runner.end() for runner in (first, second)}
    winners = [runner for runner, (status, _) in ended.items() if status == 0]
    assert len(winners) == 1, ended
    return winners[0], ended[second if winners[0] is first else first][1]


def was_deleted(port: str, said: str) -> bool:
    return bool(re.search(f"error: port {port}.* was deleted meanwhile", said))


def delete_while_it_moves(race: Race) -> None:
    kind = race.draw.choice(["--live", "--cold"])
    port = race.guest(race.hosts[0])
    move = race.begin("migrate", race.hosts[1], port, "--probe-from", "none", kind)
    race.sleep(8)
    delete = race.begin("delete-port", port)
    assert delete.end()[0] == 0
    status, said = move.end(HANG * SLOWER)
    # Who comes early meets a port that is about to be deleted, or is it already.
    early = any(words in said for words in ("is not plugged on", "there is no", " has no guest "))
    assert status == 0 or was_deleted(port, said) or early
    race.nothing_is_left_of(port)


def delete_while_it_is_made(race: Race) -> None:
    instance = f"i-{race.draw.randrange(10**9)}"
    make = race.begin("create-port", NETWORK, instance, "--host", race.hosts[0])
    while not (found := race.asked(f"/ports?device_id={instance}")["ports"]) and make.runs:
        time.sleep(0.05)
    port = found[0]["id"]
    race.sleep(5)
    assert race.begin("delete-port", port).end()[0] == 0
    status, said = make.end(HANG * SLOWER)
    assert status == 0 or was_deleted(port, said)
    race.nothing_is_left_of(port)


def plug_on_two_hosts(race: Race) -> None:
    port = race.port()
    plugs = [race.begin("plug", port, "--host", host) for host in race.hosts[:2]]
    winner, said = one_of_two(*plugs)
    host = winner.words[-1]
    # Who came late meets a port that is plugged already.
    assert f"plugging it on {host} is under way since" in said or f"is plugged on {host}" in said
    race.is_whole(port, host)


def move_to_two_hosts(race: Race) -> None:
    kinds = [race.draw.choice(["--live", "--cold"]) for _ in range(2)]
    hosts = [race.draw.choice(race.hosts[1:]) for _ in range(2)]
    port = race.guest(race.hosts[0])
    first = race.begin("migrate", hosts[0], port, "--host", race.hosts[0], "--probe-from", "none", kinds[0])
    race.sleep(1)
    second = race.begin("migrate", hosts[1], port, "--host", race.hosts[0], "--probe-from", "none", kinds[1])
    winner, said = one_of_two(first, second)
    assert f"a migration to {winner.words[1]} is under way since" in said or "is not plugged on" in said
    race.is_whole(port, winner.words[1])


def unplug_while_it_moves(race: Race) -> None:
    port = race.guest(race.hosts[0])
    move = race.begin("migrate", race.hosts[1], port, "--probe-from", "none")
    race.sleep(6)
    status, said = race.begin("unplug", port, "--host", race.hosts[0]).end()
    if status:
        assert f"a migration to {race.hosts[1]} is under way since" in said or "is not plugged on" in said
        assert move.end()[0] == 0
        race.is_whole(port, race.hosts[1])
        return
    status, said = move.end(HANG * SLOWER)
    assert status != 0
    assert "under way" in said or "is not plugged on" in said
    assert race.traces(port) == {}
    race.lab.told("delete-port", port)
    race.nothing_is_left_of(port)


def unplug_everywhere_while_it_is_made(race: Race) -> None:
    port = race.port()
    plug = race.begin("plug", port, "--host", race.hosts[0])
    race.sleep(5)
    assert race.begin("unplug-all-host", port).end()[0] == 0
    status, said = plug.end(HANG * SLOWER)
    assert status == 0 or "was unplugged from" in said or "has no VIF" in said or "no guest" in said
    race.lab.told("delete-port", port)
    race.nothing_is_left_of(port)


def recover_while_it_moves(race: Race) -> None:
    port = race.guest(race.hosts[0])
    move = race.begin("migrate", race.hosts[1], port, "--probe-from", "none")
    race.sleep(6)
    repair = race.begin("migrate", "--recover", port)
    moved, (repaired, said) = move.end(), repair.end()
    assert (moved[0], repaired) in ((0, 0), (0, 1), (1, 0))
    told = moved[1] if moved[0] else said if repaired else "under way"
    assert "under way" in told
    race.is_whole(port, race.hosts[0 if moved[0] else 1])


def delete_the_network_while_a_port_is_made(race: Race) -> None:
    """Neutron keeps a network that has a port: then the port is made."""
    network, instance = (f"{kind}-{race.draw.randrange(10**9)}" for kind in ("n", "i"))
    race.lab.network(network, "10.78.0.0/24", dhcp=False)
    make = race.begin("create-port", network, instance, "--host", race.hosts[0], "--addressing", "static")
    race.sleep(5)
    deleted = race.lab.openstack("network", "delete", network).returncode == 0
    status, said = make.end()
    assert (status == 0) is not deleted
    if deleted:
        assert network in said or "network" in said
        assert race.asked(f"/ports?device_id={instance}")["ports"] == []
    else:
        race.lab.remove_network(network)


RACES = (
    delete_while_it_moves,
    plug_on_two_hosts,
    move_to_two_hosts,
    delete_while_it_is_made,
    unplug_while_it_moves,
    unplug_everywhere_while_it_is_made,
    recover_while_it_moves,
    delete_the_network_while_a_port_is_made,
)
# The rest is slow, as each takes some ten seconds.
QUICK = RACES[:3]


@pytest.fixture(scope="module")
def racing(lab: Lab) -> Iterator[Lab]:
    """Give the shared lab with a network for races; what is left on it is removed with it."""
    lab.network(NETWORK, "10.79.0.0/24")
    yield lab
    lab.remove_network(NETWORK)


@pytest.mark.parametrize("run", QUICK, ids=lambda run: run.__name__)
def test_race(racing: Lab, run: Callable[[Race], None]) -> None:
    run(Race(racing, run.__name__))


@pytest.fixture(scope="module", params=["ovs", "ovn"])
def own(own_labs: Labs, request: pytest.FixtureRequest) -> Lab:
    """Start a lab of a backend."""
    made = own_labs.up(f"races-{request.param}", "--backend", request.param)
    made.network(NETWORK, "10.79.0.0/24")
    return made


@pytest.mark.slow
@pytest.mark.parametrize("number", range(TIMES))
@pytest.mark.parametrize("run", RACES, ids=lambda run: run.__name__)
def test_each_race_many_times(own: Lab, run: Callable[[Race], None], number: int) -> None:
    run(Race(own, f"{run.__name__} {number}"))
