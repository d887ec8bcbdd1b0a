"""Ten clients make and delete servers while programs of the lab are killed, by lot: in the end nothing is left.

FAKEVM_TEST_SEED repeats a draw.
"""

from __future__ import annotations

import json
import os
import random
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from typing import Any

import openstack
import pytest
from keystoneauth1.exceptions import ClientException
from openstack.exceptions import HttpException, SDKException

from fakevm.control import credentials
from fakevm.lab import programs
from fakevm.linux import supervision

from . import servers
from .conftest import Lab, Labs, awaited

pytestmark = pytest.mark.slow
SEED = int(os.environ.get("FAKEVM_TEST_SEED") or random.randrange(10**6))
# Seconds of the storm, between two killings, and until all is whole again on a quiet machine; a busy one is slower.
STORM, PAUSE, WHOLE, SLOWER = 120, 6.0, 60, 4
CLIENTS = 10
# Seconds that a client waits, some of the times, for a server to run.
BOOTING = 60.0
# What servers are made by, and is killed half of the times.
MAKERS = ("compute-api", "neutron-fakevm-agent")
# What an answer may be while somebody is dead: a server that is deleted already, one that is not there any more.
FITTING = (404, 409)
# In a host: namespaces of guests, their devices, and the ports of the switch.
LOOK = "ip netns list; ip -o link show | cut -d: -f2; ovs-vsctl --timeout=20 list-ports br-int"


@pytest.fixture(params=["ovn", "ovs"])
def lab(request: pytest.FixtureRequest, labs: Labs, untouched: Callable[[], None]) -> Lab:
    return labs.up_from("storm", servers.lab_file(request.param))


class Client(threading.Thread):
    """Makes servers, and deletes them sooner or later, until a time; ``wrong`` has the answers that should not be."""

    def __init__(self, lab: Lab, number: int, until: float) -> None:
        super().__init__()
        self._settings = credentials.settings(lab.record, "demo")
        self._number, self._until = number, until
        self._draw = random.Random(f"{SEED} client {number}")
        self.seen: Counter[str] = Counter()
        self.wrong: list[str] = []

    def run(self) -> None:
        while time.monotonic() < self._until:
            try:
                with closing(openstack.connect(**self._settings)) as cloud:
                    self._go_on(cloud)
            except HttpException as problem:
                self.seen[f"HTTP {problem.status_code}"] += 1
                if (problem.status_code or 500) < 500 and problem.status_code not in FITTING:
                    self.wrong.append(str(problem))
            except (ClientException, SDKException) as problem:
                self.seen[type(problem).__name__] += 1
            time.sleep(0.2)

    def _go_on(self, cloud: Any) -> None:
        image, network = next(cloud.image.images()), cloud.network.find_network("private")
        while time.monotonic() < self._until:
            server = cloud.compute.create_server(
                name=f"storm-{self._number}-{sum(self.seen.values())}",
                image_id=image.id,
                flavor_id="42",
                networks=[{"uuid": network.id}],
            )
            self.seen["made"] += 1
            if patience := self._draw.choice([0, self._draw.uniform(0, 5), BOOTING]):
                self._wait(cloud, server, patience)
            self.seen[cloud.compute.get_server(server.id).status] += 1
            cloud.compute.delete_server(server.id)

    def _wait(self, cloud: Any, server: Any, patience: float) -> None:
        end = time.monotonic() + patience
        while time.monotonic() < end and cloud.compute.get_server(server.id).status == "BUILD":
            time.sleep(0.5)


def kill_programs(lab: Lab, until: float) -> Counter[str]:
    draw, killed = random.Random(f"{SEED} killer"), Counter[str]()
    hosts = {host.name for host in lab.record.hosts}
    while time.monotonic() < until:
        known = [one for one in programs.listed(lab.record) if one.name not in hosts]
        makers = [one for one in known if one.name in MAKERS]
        victim = draw.choice(draw.choice([makers, known]))
        supervision.crash(lab.record.services()[victim.host], victim.name)
        killed[str(victim)] += 1
        time.sleep(draw.uniform(0, 2 * PAUSE))
    return killed


def troubles(lab: Lab) -> list[str]:
    """Say what ``lab status`` says is wrong, but that it died: that was meant."""
    done = lab.fakevm("lab", "status", "-f", "json")
    if done.returncode:
        return [done.stderr]
    rows = json.loads(done.stdout)
    return [
        f"{row['host']}/{row['program']}: {row['problem']} {row['agent']}"
        for row in rows
        if (row["problem"] and "it died" not in row["problem"]) or row["agent"] not in ("", "alive")
    ]


def delete_all(lab: Lab) -> list[str]:
    """Delete the servers that are there, as users would; names those that are there still."""
    try:
        with closing(openstack.connect(**credentials.settings(lab.record))) as cloud:
            for server in cloud.compute.servers(all_projects=True):
                if server.task_state != "deleting":
                    cloud.compute.delete_server(server.id)
            return [f"{one.name} {one.status} {one.fault}" for one in cloud.compute.servers(all_projects=True)]
    except (ClientException, SDKException) as problem:
        return [str(problem)]


def traces(lab: Lab) -> dict[str, list[str]]:
    """Give all that may be left of servers, by the place."""
    found = {}
    for host in lab.record.hosts:
        said = lab.fakevm("lab", "exec", host.name, "--", "sh", "-c", LOOK)
        found[host.name] = sorted(line.split(" (id")[0].split("@")[0].strip() for line in said.stdout.splitlines())
        state = lab.record.host_directory(host.name) / "agent"
        found[f"{host.name}: files"] = sorted(
            path.name for place in ("guests", "containers") for path in state.glob(f"{place}/*")
        )
    ports = lab.api("GET", "/ports?fields=device_owner&fields=device_id")["ports"]
    found["ports"] = [
        str(port) for port in ports if port["device_owner"].startswith("compute:") or not port["device_owner"]
    ]
    found["metadata"] = sorted(path.name for path in (lab.record.directory / "metadata/servers").glob("*"))
    with closing(sqlite3.connect(f"file:{lab.record.directory}/compute/state.sqlite?mode=ro", uri=True)) as state:
        found["state"] = [str(row) for row in state.execute("SELECT kind, count(*) FROM thing GROUP BY kind")]
    return found


def changed(before: dict[str, list[str]], now: dict[str, list[str]]) -> dict[str, list[str]]:
    """Give what has come (+) and what has gone (-), by the place."""
    found = {}
    for place, things in now.items():
        came, gone = Counter(things) - Counter(before[place]), Counter(before[place]) - Counter(things)
        found[place] = [*(f"+{one}" for one in came.elements()), *(f"-{one}" for one in gone.elements())]
    return {place: things for place, things in found.items() if things}


def test_nothing_is_left_of_servers_after_a_storm(lab: Lab, untouched: Callable[[], None]) -> None:
    print(f"FAKEVM_TEST_SEED={SEED}")
    before = traces(lab)
    end = time.monotonic() + STORM
    clients = [Client(lab, number, end) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    killed = kill_programs(lab, end)
    for client in clients:
        client.join(WHOLE * SLOWER)
    seen = sum((client.seen for client in clients), Counter())
    print(f"{seen}\nkilled: {killed}", flush=True)
    assert [wrong for client in clients for wrong in client.wrong] == []
    assert seen["ACTIVE"], "no server came to run at all"
    assert awaited(lambda: troubles(lab), [], WHOLE * SLOWER) == []
    assert awaited(lambda: delete_all(lab), [], WHOLE * SLOWER) == []
    assert awaited(lambda: changed(before, traces(lab)), {}, WHOLE * SLOWER) == {}
    assert lab.labs.fakevm("lab", "down", lab.record.name).returncode == 0
    untouched()
