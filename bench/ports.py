"""(b) From nothing to a pinged guest: ``fakevm create-port`` beside a bare script that asks Neutron for the same.

Both are measured from the start of their process, in turns, on the same host and network, with the same DHCP
client, and pinged by the same guest on the other host. Neutron's own time is what the bare script waited for Neutron
and its DHCP server; what FakeVM adds is the difference between the two. The bare script imports the standard library
only, so that its own start hides nothing of FakeVM's.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fakevm.control import credentials
from fakevm.control.access import Access
from fakevm.control.agents import Agents
from fakevm.control.neutron import Neutron
from fakevm.control.removal import Removal
from fakevm.control.transport import Direct
from fakevm.guest import dhcp
from fakevm.lab import registry, sandbox

from .command import FAKEVM, LAB, environment, fakevm, fakevm_json, run
from .figure import Figure, middle, spread

TOPIC = "create-port to a pinged guest"
HOST, OTHER = "compute1", "compute2"
NETWORK, RANGE = "bench", "10.99.0.0/16"
# What the bare script waits for others, not for its own work.
NEUTRONS = ("create", "bind", "active", "address")
# How often (seconds) Neutron's agent looks for new ports. ACTIVE comes early or late by as much, for both alike, so it
# is left out of the difference; each run begins at random.
POLL = 2.0
STEPS = ("create", "bind", "plug", "active", "address")
# One process pings all: until an answer has come from each.
# FakeVM's guests announce their addresses, bare ones do not: an earlier guest's MAC is forgotten for both alike.
PING = """\
ip neigh flush all
for address in "$@"; do ping -q -c 1 -i 0.2 -w 30 "$address" & jobs="$jobs $!"; done
for job in $jobs; do wait $job; done
"""


@dataclass
class Runs:
    """What was measured, in seconds."""

    fakevm: list[float] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)
    parts: list[dict[str, float]] = field(default_factory=list)
    own: list[dict[str, float]] = field(default_factory=list)


class Ground:
    """The network, and the guest that pings."""

    def __init__(self) -> None:
        self.record = registry.load(registry.root() / LAB)
        direct = Direct(self.record.endpoint, credentials.headers(self.record))
        neutron = Neutron(direct)
        access = Access.of(self.record)
        self._agents = Agents(access, neutron)
        self._removal = Removal(neutron, self._agents)
        answer = direct.request("POST", "/networks", "create the network", {"network": {"name": NETWORK}})
        self.network = answer.json()["network"]
        subnet = {"network_id": self.network["id"], "ip_version": 4, "cidr": RANGE}
        direct.request("POST", "/subnets", "create the subnet", {"subnet": subnet})
        # The first on a host pays for what Neutron's agents start once. One stays there: a host whose last port of a
        # security group has just gone is a case of its own.
        with ThreadPoolExecutor() as pool:
            pinger, _ = pool.map(self._resident, (OTHER, HOST))
        self.ping = [FAKEVM, "exec", pinger, "--host", OTHER, "--", "sh", "-c", f"set -e\n{PING}", "ping"]

    @staticmethod
    def _resident(host: str) -> str:
        return fakevm("create-port", NETWORK, f"resident-{host}", "--host", host, "-f", "value", "-c", "vif_id").strip()

    def remove(self, vifs: list[str]) -> None:
        """Remove guests; nobody measures it, so all in this process, which has its imports behind it."""
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(self._removal.delete, vifs))

    def close(self) -> None:
        """Leave the broker."""
        self._agents.close()

    def order(self, count: int) -> str:
        """Tell the bare script what to do, and that it has begun."""
        return json.dumps(
            {
                "begun": time.perf_counter(),
                "endpoint": self.record.endpoint,
                "headers": credentials.headers(self.record),
                "network": self.network["id"],
                "project": self.network["project_id"],
                "mtu": self.network["mtu"],
                "host": HOST,
                "count": count,
                "enter": sandbox.enter_host(self.record, HOST),
                "dhclient": str(Path(dhcp.__file__).parent / "dhclient"),
                "ping": self.ping,
            }
        )


def with_fakevm(ground: Ground, count: int, runs: Runs) -> None:
    """Create guests with FakeVM and ping them; they are removed afterwards."""
    begin = time.perf_counter()
    made: Any = fakevm_json("create-port", NETWORK, "bench", "--host", HOST, "--count", str(count))
    rows = made if isinstance(made, list) else [made]
    addresses = [str(_first(row["addresses"])).partition("/")[0] for row in rows]
    created = time.perf_counter()
    run([*ground.ping, *addresses])
    runs.fakevm.append(time.perf_counter() - begin)
    steps = [row.get("seconds", row) for row in rows]
    slowest = {name: max(float(step[name]) for step in steps) for name in (*STEPS, "total")}
    # What the command took beside its steps is its own start and end, and looking things up.
    around = created - begin - slowest.pop("total")
    runs.own.append({"start and end": around, **slowest, "ping": time.perf_counter() - created})
    ground.remove([row["vif_id"] for row in rows])


def _first(addresses: Any) -> Any:
    return addresses[0] if isinstance(addresses, list) else addresses


def with_bare(ground: Ground, count: int, runs: Runs) -> None:
    """Do the same with the bare script."""
    script = Path(__file__).with_name("bare.py")
    done = subprocess.run(
        [sys.executable, script],
        input=ground.order(count),
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit("bench: the bare script failed")
    parts = json.loads(done.stdout)
    runs.bare.append(parts["total"])
    runs.parts.append(parts)


def measure(ground: Ground, count: int, rounds: int) -> list[Figure]:
    """Measure both in turns, ``rounds`` times."""
    runs = Runs()
    order = [with_bare, with_fakevm]
    for _ in range(rounds):
        for one in order:
            time.sleep(random.uniform(0, POLL))
            one(ground, count, runs)
        # Who comes second meets a Neutron that is still busy with what the first one deleted.
        order.reverse()
    neutron = [sum(parts[name] for name in NEUTRONS) for parts in runs.parts]
    added = _without_active(runs.fakevm, runs.own) - _without_active(runs.bare, runs.parts)
    whole = middle(runs.fakevm) - middle(runs.bare)
    label = "one port" if count == 1 else f"{count} ports at once"
    return [
        Figure(TOPIC, f"{label}: what FakeVM adds to Neutron's time", 100 * added / middle(neutron), "%", 20),
        Figure(TOPIC, "  the same with the wait for ACTIVE, a matter of luck", 100 * whole / middle(neutron), "%"),
        Figure(
            TOPIC, "  fakevm, from the shell to the ping's answer", middle(runs.fakevm), "s", note=spread(runs.fakevm)
        ),
        Figure(TOPIC, "  bare script, likewise", middle(runs.bare), "s", note=spread(runs.bare)),
        Figure(TOPIC, "  Neutron's own time in it", middle(neutron), "s", note=spread(neutron)),
        *_parts("bare", runs.parts, ("start", "create", "bind", "plug", "active", "address", "ping")),
        *_parts("fakevm", runs.own, ("start and end", *STEPS, "ping")),
    ]


def _without_active(totals: list[float], parts: list[dict[str, float]]) -> float:
    return middle([total - part["active"] for total, part in zip(totals, parts, strict=True)])


def _parts(who: str, many: list[dict[str, float]], names: tuple[str, ...]) -> list[Figure]:
    return [Figure(TOPIC, f"    {who}: {name}", middle([one[name] for one in many]), "s") for name in names]


def figures(quick: bool) -> list[Figure]:
    """Measure a single port and twenty at once."""
    rounds, count = ((2, 1), 5) if quick else ((7, 2), 20)
    with closing(Ground()) as ground:
        return [*measure(ground, 1, rounds[0]), *measure(ground, count, rounds[1])]
