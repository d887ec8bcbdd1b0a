"""Guests that are stopped, started again and rebooted, as Nova does it with its instances."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass

from fakevm.control.agents import Agents
from fakevm.control.binding import hostname
from fakevm.control.guests import Guests, ports_of
from fakevm.control.job import Job, all_in_background, signals_held
from fakevm.control.known import guest_words
from fakevm.control.lookout import Lookout
from fakevm.control.neutron import Neutron
from fakevm.control.stopwatch import Stopwatch
from fakevm.control.watch import ActiveWatch
from fakevm.errors import Conflict, FakevmError
from fakevm.model.guest import Guest, GuestSeen
from fakevm.model.interface import InterfaceSeen
from fakevm.model.value import Value
from fakevm.progress import SILENT, Progress, Tally
from fakevm.waiting import remains

LOG = logging.getLogger(__name__)
# Guests that are worked on at once.
AT_ONCE = 16
# How long (seconds) Neutron may still call a port ACTIVE whose guest is stopped: its agents look every second or two.
LEAVING = 10.0
PAUSE = 0.25
NO_CHANGE = "no change"
# Seconds that a virtual machine may take to shut down.
SHUTDOWN = 20.0


class Powered(Value):
    """What was done to a guest, the guest after it, and the seconds that each step took."""

    guest: GuestSeen
    result: str
    problem: str = ""
    seconds: dict[str, float] = {}


@dataclass
class Switch:
    """Stops, starts and reboots one guest; ``timeout`` (seconds) is for each wait, if we are to ``wait``.

    ``patience``: seconds that a virtual machine may take to shut down when it is stopped.
    """

    neutron: Neutron
    agents: Agents
    guest: GuestSeen
    watch: ActiveWatch
    wait: bool
    timeout: float
    progress: Progress
    patience: float = SHUTDOWN

    def __post_init__(self) -> None:
        self.job = Job(Lookout(self.neutron, self.agents), self.progress)
        self._agent = self.agents.on(self.guest.host)
        self._words = guest_words(self.guest.id)
        self._stopwatch = Stopwatch()
        self._problem = ""

    def stop(self) -> Powered:
        """End the guest and all in it; Neutron's ports go DOWN and stay bound. Raises Conflict, PlugFailed."""
        with self._alone("a stop") as guest:
            if guest.state == "stopped":
                return self._told(guest, NO_CHANGE)
            return self._told(self.job.run(lambda: self._stop(self.patience)), "stopped")

    def start(self) -> Powered:
        """Start the guest and wait until its ports are wired and addressed as they were; else it is stopped again.

        Raises Conflict, PlugFailed, TimedOut, AgentDown, Gone.
        """
        with self._alone("a start") as guest:
            if guest.state == "running" and not guest.problem:
                return self._told(guest, NO_CHANGE)
            return self._told(self.job.run(lambda: self._started(guest)), "started")

    def reboot(self) -> Powered:
        """Stop the guest and start it; whatever fails or interrupts it, the guest is started again if it can be.

        Raises as ``start``.
        """
        with self._alone("a reboot") as guest:
            begun = self.job.run(lambda: self._restarted(guest))
            try:
                return self._told(self.job.attend(lambda: self._finished(begun)), "rebooted")
            except FakevmError as problem:
                problem.hint = "\n".join(filter(None, (problem.hint, self._runs())))
                raise
            except BaseException:
                LOG.warning("%s", self._runs())
                raise

    def remove(self) -> Powered:
        """End the guest and have its host forget it; its ports stay in Neutron, bound. Raises Conflict, PlugFailed."""
        with self._alone("its removal") as guest:
            self.job.run(self._remove)
            return self._told(guest.model_copy(update={"interfaces": ()}), "removed")

    # -- steps -----------------------------------------------------------------------------------------------

    def _alone(self, doing: str) -> AbstractContextManager[GuestSeen]:
        ports = [interface.attached for interface in ports_of(self.guest)]
        return Guests(self.neutron, self.agents).alone(self.guest, doing, ports)

    def _stop(self, patience: float = 0.0) -> GuestSeen:
        with self.job.step(), self._stopwatch.step("stop"):
            self.progress.seen(f"stopping {self._words}")
            return self._agent.stop(self.guest.id, patience)

    def _remove(self) -> None:
        with self.job.step(), self._stopwatch.step("remove"):
            self._agent.remove(self.guest.id)

    def _start(self) -> GuestSeen:
        with self._stopwatch.step("start"):
            self.progress.seen(f"starting {self._words}")
            return self._agent.start(self.guest.same)

    def _started(self, guest: GuestSeen) -> GuestSeen:
        self._let_go(guest)
        with self.job.step():
            self.job.undo.add(f"stopped {self._words} again", functools.partial(self._agent.stop, guest.id))
            begun = self._start()
        return self._finished(begun)

    def _restarted(self, guest: GuestSeen) -> GuestSeen:
        self.job.undo.add(f"started {self._words}, without waiting for its ports", self._start)
        self._stop()
        self._let_go(guest)
        with self.job.step():
            return self._start()

    def _let_go(self, guest: GuestSeen) -> None:
        """Wait until Neutron has seen the ports go: an ACTIVE of before would be taken for the new one.

        A backend that does not see it is waited for in vain, and not long.
        """
        ids = [interface.attached for interface in ports_of(guest)]
        if not self.wait or not ids:
            return

        def active() -> str:
            self.job.check()
            ports = self.neutron.ports(ids, fields=("id", "status"))
            return ", ".join(port["id"] for port in ports if port["status"] == "ACTIVE")

        with self._stopwatch.step("down"):
            self.progress.seen("waiting until Neutron has seen its ports go")
            remains(active, LEAVING, pause=PAUSE)

    def _finished(self, guest: GuestSeen) -> GuestSeen:
        """Wait until each port is wired, and give it the addresses that it had; returns the guest as it is then."""
        if not self.wait:
            return guest
        works = [functools.partial(self._finish, guest.host, interface) for interface in self._to_wait_for(guest)]
        with self._stopwatch.step("active and address"):
            self.progress.seen("waiting until its ports are wired and addressed")
            all_in_background(works)
        return self._agent.show_guest(guest.id)

    def _to_wait_for(self, guest: GuestSeen) -> list[InterfaceSeen]:
        """Choose the ports that can be wired: those that were deleted meanwhile are told, those set down are left."""
        interfaces = ports_of(guest)
        known = {
            port["id"]: port["admin_state_up"]
            for port in self.neutron.ports([each.attached for each in interfaces], fields=("id", "admin_state_up"))
        }
        if gone := [each for each in interfaces if each.attached not in known]:
            detach = "; ".join(f"fakevm interface detach {guest.title} {each.name}" for each in gone)
            self._problem = f"Neutron has no port {', '.join(each.attached for each in gone)} any more: {detach}"
        return [each for each in interfaces if known.get(each.attached)]

    def _finish(self, host: str, interface: InterfaceSeen) -> None:
        self.job.lookout.exists(interface.attached)
        self.job.lookout.plugged(interface.attached, host)
        self.watch.wait(interface.attached, self.timeout)
        self.job.check()
        if interface.addressing:
            self._agent.address(interface.attached, interface.addressing, self.timeout)

    def _runs(self) -> str:
        return f"{self._words} runs; `fakevm guest show {self.guest.title}` shows what it has."

    def _told(self, guest: GuestSeen, result: str) -> Powered:
        seconds = {name: round(taken, 3) for name, taken in self._stopwatch.seconds.items()}
        return Powered(
            guest=guest,
            result=result,
            problem="; ".join(filter(None, (guest.problem, self._problem))),
            seconds={**seconds, "total": round(self._stopwatch.total, 3)},
        )


class Power:
    """Stops, starts and reboots guests, several at once; see Switch for ``wait``, ``timeout`` and ``patience``."""

    def __init__(
        self,
        neutron: Neutron,
        agents: Agents,
        *,
        wait: bool = True,
        timeout: float = 300.0,
        patience: float = SHUTDOWN,
        progress: Progress = SILENT,
    ) -> None:
        self._neutron = neutron
        self._agents = agents
        self._wait = wait
        self._timeout = timeout
        self._patience = patience
        self._progress = progress
        self._watch = ActiveWatch(neutron)
        self._guests = Guests(neutron, agents)

    def each(
        self, do: Callable[[Switch], Powered], guests: Mapping[str, GuestSeen | FakevmError]
    ) -> dict[str, Powered | FakevmError]:
        """Do something to guests, by whatever words: one that was not found has an error. Gives what became of each.

        The failure of one does not keep the others from it. When interrupted, those that are done stay so, the others
        are taken back.
        """
        done: dict[str, Powered | FakevmError] = {}
        switches: dict[str, Switch] = {}
        for name, guest in guests.items():
            if isinstance(guest, FakevmError):
                done[name] = guest
            else:
                switches[name] = self._switch(guest, len(guests))
        tally = Tally(self._progress if len(guests) > 1 else SILENT, len(switches), "are done")

        def attempt(switch: Switch) -> Powered | FakevmError:
            try:
                return do(switch)
            except FakevmError as problem:
                return problem
            finally:
                tally.count()

        done |= _at_once(attempt, switches)
        return {name: done[name] for name in guests}

    def create(self, name: str, host: str) -> Powered:
        """Start a guest without interfaces; no change when it runs there.

        Raises Conflict when a guest of that name is on another host, or has another id; NotFound, AgentDown,
        PlugFailed.
        """
        self._agents.require(host)
        with self._agents.claimed((), "its creation", guests=[name]):
            same = [guest for guest in self._guests.rows()[0] if name in (guest.id, guest.name)]
            if other := next((guest for guest in same if guest.id != name), None):
                raise Conflict(f"{guest_words(other.id)} is on {other.host}: it has that name", hint="Choose another.")
            if here := next((guest for guest in same if guest.host == host), None):
                return self._switch(here, 1).start()
            self._guests.refuse_elsewhere({name: host})
            stopwatch = Stopwatch()
            seen = self._agents.on(host).start(Guest(id=name, hostname=hostname(name), kind=self._agents.guest_kind))
            return Powered(guest=seen, result="created", seconds={"total": round(stopwatch.total, 3)})

    def _switch(self, guest: GuestSeen, number: int) -> Switch:
        progress = self._progress if number == 1 else SILENT
        return Switch(
            self._neutron, self._agents, guest, self._watch, self._wait, self._timeout, progress, self._patience
        )


def _at_once(
    attempt: Callable[[Switch], Powered | FakevmError], switches: dict[str, Switch]
) -> dict[str, Powered | FakevmError]:
    """Work on all of them in threads; when interrupted, have each taken back and wait for that."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        begun: dict[str, Future[Powered | FakevmError]] = {}
        try:
            for name, switch in switches.items():
                begun[name] = pool.submit(attempt, switch)
            return {name: future.result() for name, future in begun.items()}
        except BaseException:
            with signals_held():
                pool.shutdown(wait=False, cancel_futures=True)
                for switch in switches.values():
                    switch.job.give_up()
                pool.shutdown()
            raise
