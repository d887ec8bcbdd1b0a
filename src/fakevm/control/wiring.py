"""From a port in Neutron to a guest that has its addresses: bind, plug, wait until it is wired, address."""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal

from fakevm.control.agents import Agents
from fakevm.control.binding import DEVICE_OWNER, bind, describe, is_bound, tagged
from fakevm.control.expectation import PLUGGED, Events, Expectation, why_no_event
from fakevm.control.job import Job, in_background
from fakevm.control.known import words
from fakevm.control.lookout import Lookout
from fakevm.control.neutron import Neutron, Resource
from fakevm.control.stopwatch import Stopwatch
from fakevm.control.watch import ActiveWatch
from fakevm.errors import Gone, InvalidInput, NotFound, TimedOut
from fakevm.model.identity import called
from fakevm.model.nic import NicKind, why_not_plain
from fakevm.model.port import Addressing, Vif
from fakevm.model.value import Value
from fakevm.progress import SILENT, Progress
from fakevm.rpc.contract import AgentApi

LOG = logging.getLogger(__name__)
# What tells that Neutron has wired a port: Nova's event, the port's status, or the event where one will come.
Sign = Literal["auto", "event", "status"]
# Requests to bind that are made of Neutron at once; more would only queue in its few processes.
BINDS_AT_ONCE = 4
# Seconds after the event within which Neutron's port should be ACTIVE.
SETTLING = 10.0


class WiredPort(Value):
    """A port with its guest, what people call that, and the seconds that each step took."""

    name: str
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
    """How a port is to be wired.

    ``wait`` until Neutron has wired it, which ``sign`` tells, and it has its addresses; ``timeout`` is for each wait,
    in seconds. When ``plugging_is_fatal`` is not so, a port that was not wired in time is kept, as by Nova.
    ``device`` is what its interface is called in the guest; empty: by a name that is made of the port's id.
    ``guest_kind`` is how its guest is made, if that is not there; empty: as all are. ``nic`` is what its interface is
    made of; empty: as it is, if it is there.
    ``joins``: the guest is there, and stays when this is taken back, even without any interface. ``hostname`` is its
    guest's; empty: one is made of what the port is called.
    """

    host: str
    addressing: Addressing = "auto"
    wait: bool = True
    timeout: float = 300.0
    sign: Sign = "auto"
    plugging_is_fatal: bool = True
    device: str = ""
    joins: bool = False
    guest_kind: str = ""
    nic: NicKind | Literal[""] = ""
    hostname: str = ""


@dataclass
class Wiring:
    """Wires the ports of one network; each port may be wired in a thread of its own.

    ``events`` are those that Neutron sends to Nova, if anybody receives them. ``job`` is the one that does it: several
    wirings may be of one job.
    """

    neutron: Neutron
    agents: Agents
    network: Resource
    subnets: Sequence[Resource]
    progress: Progress = SILENT
    events: Events | None = None
    job: Job = None  # type: ignore[assignment]  # one of its own, unless it is given

    def __post_init__(self) -> None:
        self.job = self.job or Job(Lookout(self.neutron, self.agents), self.progress)
        self._watch = ActiveWatch(self.neutron)
        self._binds = threading.Semaphore(BINDS_AT_ONCE)

    def wire(self, port: Resource, wish: Wish, stopwatch: Stopwatch) -> WiredPort:
        """Bind the port (unless it is bound there), plug it, and wait until it is wired and has its addresses.

        To be done within ``job``. Raises InvalidInput, BindingFailed, PlugFailed, AgentDown, TimedOut, Stopped,
        FakevmError.
        """
        self.job.lookout.exists(port["id"])
        self.require_event(port, wish)
        if not is_bound(port, wish.host):
            with self._binds, self._step("bind", f"binding to {wish.host}", stopwatch):
                port = bind(self.neutron, port, wish.host, wish.hostname)
        with self._expected(port, wish) as plugged:
            vif = self._plug(port, wish, stopwatch)
            if not wish.wait:
                return self._report(port, vif, self.neutron.port(port["id"])["status"], stopwatch)
            return self._finish(port, vif, wish, plugged, stopwatch)

    def _plug(self, port: Resource, wish: Wish, stopwatch: Stopwatch) -> Vif:
        """Plug a bound port; unplugging it is remembered in the job before it is tried."""
        described = describe(port, self.network, self.subnets, vlans=tagged(self.neutron, port))
        kind = wish.guest_kind or self.agents.guest_kind
        described = described.model_copy(update={"device": wish.device, "guest_kind": kind, "nic": wish.nic})
        if wish.hostname:
            described = described.model_copy(update={"hostname": wish.hostname})
        with self._step("plug", f"plugging on {wish.host}", stopwatch):
            agent = self.agents.on(wish.host)
            undo = functools.partial(agent.unplug, port["id"])
            if wish.joins:
                undo = functools.partial(_detach, agent, port["id"])
            self.job.undo.add(f"unplugged {words(port['id'])} on {wish.host}", undo, thing=port["id"])
            vif = agent.plug(described)
        self.job.lookout.plugged(port["id"], wish.host)
        return vif

    def require_event(self, port: Mapping[str, Any], wish: Wish) -> None:
        """Raise InvalidInput when an event is to be waited for that cannot come; ``port`` may not be there yet."""
        reason = self._why_no_event(port)
        if wish.wait and wish.sign == "event" and reason:
            raise InvalidInput(f"there is no event to wait for: {reason}", hint="Wait for the status: --wait status.")

    def require_nic(self, wish: Wish) -> None:
        """Raise InvalidInput when the interface that is wanted cannot be had in this network, on this host."""
        if wish.nic != "plain":
            return
        hybrid = any(agent["configurations"].get("ovs_hybrid_plug") for agent in self.neutron.agents(host=wish.host))
        if problem := why_not_plain(self.network["mtu"] or 0, hybrid=hybrid):
            raise InvalidInput(f"there is no such interface on {wish.host}: {problem}", hint="Leave --nic out.")

    def _why_no_event(self, port: Mapping[str, Any]) -> str:
        # A port that belongs to nobody is given to Nova when it is bound.
        return why_no_event(self.events, {**port, "device_owner": port.get("device_owner") or DEVICE_OWNER})

    def _expected(self, port: Resource, wish: Wish) -> AbstractContextManager[Expectation | None]:
        """Look out for the event from before the port is plugged.

        No event comes for a port that is ACTIVE already, and Nova waits for none then (_get_neutron_events).
        """
        unwanted = not wish.wait or wish.sign == "status" or port["status"] == "ACTIVE"
        if unwanted or self.events is None or self._why_no_event(port):
            return nullcontext()
        return self.events.expect(PLUGGED, port["id"])

    def _finish(
        self, port: Resource, vif: Vif, wish: Wish, plugged: Expectation | None, stopwatch: Stopwatch
    ) -> WiredPort:
        self.job.check()
        self.progress.seen("waiting for Neutron's event" if plugged else "waiting for Neutron to call it ACTIVE")
        try:
            with stopwatch.step("active"):
                status = self._wait_wired(port["id"], wish, plugged)
        except TimedOut as problem:
            if wish.plugging_is_fatal:
                raise
            return self._go_on_unwired(port, vif, wish, problem, stopwatch)
        vif = self._address(vif, wish, stopwatch)
        return self._report(port, vif, status.result() if status else "ACTIVE", stopwatch)

    def _wait_wired(self, port_id: str, wish: Wish, plugged: Expectation | None) -> Future[str] | None:
        """Wait for the sign; gives the status that is still to be read, None when it was seen to be ACTIVE.

        Where either sign will do it is whichever comes first. Neutron's API may keep the event for a second: after
        another event of the same process it sends those of the next ``send_events_interval`` together (29.0.0,
        neutron/notifiers/batch_notifier.py), and binding the port makes one (network-changed).
        """
        if not plugged:
            self._watch.wait(port_id, wish.timeout)
            return None
        if wish.sign == "auto":
            in_background(lambda: self._watch_beside(port_id, wish.timeout, plugged))
        if plugged.wait(wish.timeout):
            return in_background(lambda: self._status_after_event(port_id))
        return None

    def _watch_beside(self, port_id: str, timeout: float, plugged: Expectation) -> None:
        """Look at the status until it is ACTIVE, or the port is gone; else the event decides, and says more."""
        try:
            self._watch.wait(port_id, timeout)
        except Gone as gone:
            plugged.fail(gone)
        else:
            plugged.suffice()

    def _status_after_event(self, port_id: str) -> str:
        """Read the status, with that of all ports and while the guest gets its addresses: so it costs nothing.

        It is not taken for granted: Neutron sends the event on flush, so it may come before the commit.
        """
        try:
            self._watch.wait(port_id, SETTLING)
        except TimedOut:
            return str(self.neutron.port(port_id)["status"])
        return "ACTIVE"

    def _go_on_unwired(
        self, port: Resource, vif: Vif, wish: Wish, problem: TimedOut, stopwatch: Stopwatch
    ) -> WiredPort:
        """Start the guest all the same, as Nova does when vif_plugging_is_fatal is false; it may get no addresses."""
        LOG.warning("%s", problem.what)
        try:
            vif = self._address(vif, wish, stopwatch)
        except TimedOut as unaddressed:
            LOG.warning("%s", unaddressed.what)
        status = self.neutron.port(port["id"])["status"]
        return self._report(port, vif, status, stopwatch, problem.what)

    def _address(self, vif: Vif, wish: Wish, stopwatch: Stopwatch) -> Vif:
        self.job.check()
        self.progress.seen("waiting for its addresses")
        with stopwatch.step("address"):
            return self.agents.on(vif.host).address(vif.port_id, wish.addressing, wish.timeout)

    @contextmanager
    def _step(self, name: str, words: str, stopwatch: Stopwatch) -> Iterator[None]:
        with self.job.step():
            self.progress.seen(words)
            with stopwatch.step(name):
                yield

    def _report(self, port: Resource, vif: Vif, status: str, stopwatch: Stopwatch, problem: str = "") -> WiredPort:
        seconds = {name: round(taken, 3) for name, taken in stopwatch.seconds.items()}
        return WiredPort(
            name=called(port["name"], vif.instance_id, port["id"]),
            port_id=port["id"],
            instance_id=vif.instance_id,
            mac_address=vif.mac_address,
            addresses=vif.addresses or tuple(fixed["ip_address"] for fixed in port["fixed_ips"]),
            network=self.network["name"],
            network_id=self.network["id"],
            host=vif.host,
            project_id=port["project_id"],
            status=status,
            problem="; ".join(filter(None, (problem, vif.problem, vif.lacks))),
            seconds={**seconds, "total": round(stopwatch.total, 3)},
        )


def _detach(agent: AgentApi, port_id: str) -> bool:
    """Take the interface of a port from its guest, which stays; there may be none."""
    try:
        vif = agent.show(port_id)
    except NotFound:
        return False
    return agent.detach(vif.instance_id, vif.device)
