"""From a port in Neutron to a guest that has its addresses: bind, plug, wait for ACTIVE, address."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from fakevm.control.agents import Agents
from fakevm.control.binding import bind, describe, is_bound
from fakevm.control.job import Job
from fakevm.control.neutron import Neutron, Resource
from fakevm.control.progress import Say, Stopwatch, silent
from fakevm.control.watch import ActiveWatch
from fakevm.model.port import Addressing, Vif
from fakevm.model.value import Value

# Requests to bind that are made of Neutron at once; more would only queue in its few processes.
BINDS_AT_ONCE = 4


class WiredPort(Value):
    """A port with its guest, and the seconds that each step took."""

    port_id: str
    instance_id: str
    mac_address: str
    addresses: tuple[str, ...]
    network: str
    network_id: str
    host: str
    project_id: str
    status: str
    problem: str = ""
    seconds: dict[str, float]


@dataclass(frozen=True)
class Wish:
    """How a port is to be wired. ``timeout`` is for each wait, in seconds."""

    host: str
    addressing: Addressing = "auto"
    wait: bool = True
    timeout: float = 300.0


@dataclass
class Wiring:
    """Wires the ports of one network; each port may be wired in a thread of its own."""

    neutron: Neutron
    agents: Agents
    network: Resource
    subnets: Sequence[Resource]
    say: Say = silent
    job: Job = field(init=False)

    def __post_init__(self) -> None:
        self.job = Job(self.say)
        self._watch = ActiveWatch(self.neutron)
        self._binds = threading.Semaphore(BINDS_AT_ONCE)

    def wire(self, port: Resource, wish: Wish, stopwatch: Stopwatch) -> WiredPort:
        """Bind the port (unless it is bound there), plug it, and wait until it is ACTIVE and has its addresses.

        Raises BindingFailed, PlugFailed, AgentDown, TimedOut, Stopped.
        """
        if not is_bound(port, wish.host):
            with self._binds, self._step("bind", f"binding to {wish.host}", stopwatch):
                port = bind(self.neutron, port, wish.host)
        vif = self.plug(port, wish.host, stopwatch)
        status = port["status"]
        if wish.wait:
            self.job.check()
            self.say("waiting for Neutron to call it ACTIVE")
            with stopwatch.step("active"):
                self._watch.wait(port["id"], wish.timeout)
            status = "ACTIVE"
            vif = self._address(vif, wish, stopwatch)
        return self._report(port, vif, status, stopwatch)

    def plug(self, port: Resource, host: str, stopwatch: Stopwatch) -> Vif:
        """Plug a bound port; unplugging it is remembered in the job before it is tried."""
        description = describe(port, self.network, self.subnets)
        with self._step("plug", f"plugging on {host}", stopwatch):
            self.job.undo.add(f"unplugged {port['id']} on {host}", lambda: self.agents.unplug(host, port["id"]))
            return self.agents.plug(host, description)

    def _address(self, vif: Vif, wish: Wish, stopwatch: Stopwatch) -> Vif:
        self.job.check()
        self.say("waiting for its addresses")
        with stopwatch.step("address"):
            return self.agents.address(vif.host, vif.port_id, wish.addressing, wish.timeout)

    @contextmanager
    def _step(self, name: str, words: str, stopwatch: Stopwatch) -> Iterator[None]:
        with self.job.step():
            self.say(words)
            with stopwatch.step(name):
                yield

    def _report(self, port: Resource, vif: Vif, status: str, stopwatch: Stopwatch) -> WiredPort:
        seconds = {name: round(taken, 3) for name, taken in stopwatch.seconds.items()}
        return WiredPort(
            port_id=port["id"],
            instance_id=vif.instance_id,
            mac_address=vif.mac_address,
            addresses=vif.addresses or tuple(fixed["ip_address"] for fixed in port["fixed_ips"]),
            network=self.network["name"],
            network_id=self.network["id"],
            host=vif.host,
            project_id=port["project_id"],
            status=status,
            problem=vif.problem,
            seconds={**seconds, "total": round(stopwatch.total, 3)},
        )
