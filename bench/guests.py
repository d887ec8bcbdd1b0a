"""(c) Plug and unplug of many guests on one host, without Neutron and Open vSwitch, beside ``ip -batch``.

Run by itself (``python -m bench.guests``) in a sandbox that ``figures`` makes: it fills /run/netns and /etc/netns.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fakevm import names
from fakevm.agent.kinds import Kinds
from fakevm.agent.manager import Manager
from fakevm.agent.store import Store
from fakevm.guest.base import Uplink
from fakevm.linux import link
from fakevm.linux.permission import needs_user_namespace
from fakevm.model.port import Binding, Port
from fakevm.vif.base import VifDriver

from .figure import Figure, middle, spread

TOPIC = "Plug and unplug on one host, without Neutron and Open vSwitch"
HOST = "bench"
# Calls that the agent works on at once.
PARALLEL = 8
SANDBOX = """\
set -e
mount -t tmpfs none /run
mkdir -p /run/netns /run/etc
# A private /etc, as in a lab: the machine's own may have no netns, and is not ours to write to.
cp -a /etc/. /run/etc 2>/dev/null || true
mkdir -p /run/etc/netns
mount --rbind /run/etc /etc
"""


class NoSwitch(VifDriver):
    """Wires nothing: what is left is the agent's own work on the guest."""

    vif_types = ("ovs",)

    def __init__(self) -> None:
        pass

    def prepare(self, port: Port) -> Uplink:
        """See VifDriver."""
        return Uplink(names.tap(port.id))

    def connect(self, port: Port) -> None:
        """See VifDriver."""

    def unplug(self, port: Port) -> None:
        """See VifDriver."""

    def problem(self, port: Port) -> str:
        """See VifDriver."""
        return ""


def make_ports(count: int) -> list[Port]:
    """Describe ports as Neutron would."""
    return [
        Port(
            id=str(uuid.uuid4()), mac_address=f"fa:16:3e:00:{n >> 8:02x}:{n & 255:02x}", mtu=1450,
            network_id="n", instance_id=f"i-{n}", binding=Binding(host=HOST, vif_type="ovs"),
        )
        for n in range(count)
    ]  # fmt: skip


def seconds(work: Callable[[], object]) -> float:
    """Measure some work."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def with_fakevm(ports: list[Port], state: Path) -> tuple[float, float]:
    """Let the agent's manager plug and unplug, many calls at once as they come over the broker."""
    manager = Manager(HOST, "none", NoSwitch(), Kinds(HOST, state), Store(state))
    with ThreadPoolExecutor(PARALLEL) as pool:
        plug = seconds(lambda: list(pool.map(manager.plug, ports)))
        _check(ports, there=True)
        unplug = seconds(lambda: list(pool.map(lambda port: manager.unplug(port.id), ports)))
    _check(ports, there=False)
    return plug, unplug


def with_ip(ports: list[Port]) -> tuple[float, float]:
    """Make and remove the same devices, in the same state, with two processes of ``ip``."""
    made = seconds(lambda: _batch([line for port in ports for line in _lines(port)]))
    _check(ports, there=True)
    devices = [names.tap(port.id) for port in ports]

    def remove() -> None:
        _batch([f"netns del {names.guest_namespace(HOST, port.id)}" for port in ports])
        link.wait_gone(devices, timeout=30)

    removed = seconds(remove)
    _check(ports, there=False)
    return made, removed


def _lines(port: Port) -> list[str]:
    name, tap, probe = names.guest_namespace(HOST, port.id), names.tap(port.id), names.device(port.id)
    return [
        f"netns add {name}",
        f"link add name {tap} mtu {port.mtu} type veth"
        f" peer name {probe} address {port.mac_address} mtu {port.mtu} netns {name}",
        f"link set {tap} up",
        f"netns exec {name} ip link set {probe} up",
    ]


def _batch(lines: list[str]) -> None:
    subprocess.run(["ip", "-batch", "-"], input="\n".join(lines) + "\n", text=True, check=True)


def _check(ports: list[Port], *, there: bool) -> None:
    wrong = [port.id for port in ports if link.exists(names.tap(port.id)) != there]
    if wrong:
        raise SystemExit(f"bench: {len(wrong)} devices are {'missing' if there else 'left'}")


def main(count: int, rounds: int) -> None:
    """Measure both in turns; writes JSON."""
    results: dict[str, list[tuple[float, float]]] = {"fakevm": [], "ip": []}
    with tempfile.TemporaryDirectory(dir="/run") as state:
        for _ in range(rounds):
            results["ip"].append(with_ip(make_ports(count)))
            results["fakevm"].append(with_fakevm(make_ports(count), Path(state)))
    json.dump(results, sys.stdout)


def figures(quick: bool) -> list[Figure]:
    """Measure in a sandbox of its own: nothing of it can be left on the machine."""
    count, rounds = (20, 2) if quick else (100, 3)
    user = ["--user", "--map-root-user"] if needs_user_namespace() else []
    unshare = [
        "unshare",
        *user,
        "--mount",
        "--net",
        "--uts",
        "--ipc",
        "--pid",
        "--fork",
        "--kill-child",
        "--mount-proc",
    ]
    script = f"{SANDBOX}exec {sys.executable} -m bench.guests {count} {rounds}"
    done = subprocess.run([*unshare, "sh", "-c", script], stdout=subprocess.PIPE, text=True, check=False, timeout=600)
    if done.returncode:
        raise SystemExit("bench: the measurement of guests failed")
    results = json.loads(done.stdout)
    mine, ips = ([plug + unplug for plug, unplug in results[who]] for who in ("fakevm", "ip"))
    found = [
        Figure(TOPIC, f"{count} guests, times as long as ip -batch", middle(mine) / middle(ips), "x", 1.5),
        Figure(TOPIC, "  fakevm", middle(mine), "s", note=spread(mine)),
        Figure(TOPIC, "  ip -batch, the same devices", middle(ips), "s", note=spread(ips)),
    ]
    for who in ("fakevm", "ip"):
        for index, what in enumerate(("plug", "unplug")):
            found.append(Figure(TOPIC, f"    {who}: {what}", middle([run[index] for run in results[who]]), "s"))
    return found


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
