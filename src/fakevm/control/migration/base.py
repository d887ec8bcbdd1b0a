"""What all migrations have in common: the check, the way and the way back, the report."""

from __future__ import annotations

import functools
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from fakevm.control.agents import Agents
from fakevm.control.diagnosis import diagnose, on_hosts
from fakevm.control.expectation import Events
from fakevm.control.job import Job, Stopped
from fakevm.control.lookout import Lookout
from fakevm.control.migration import moving
from fakevm.control.migration.course import Course
from fakevm.control.migration.moving import MovingPort
from fakevm.control.migration.observation import Observation
from fakevm.control.migration.processes import Fate
from fakevm.control.neutron import Neutron, Resource
from fakevm.control.watch import ActiveWatch
from fakevm.errors import Conflict, FakevmError, Gone, InvalidInput, NotFound
from fakevm.model.guest import GuestSeen
from fakevm.model.migration import MigrationReport
from fakevm.model.port import Addressing
from fakevm.progress import SILENT, Progress

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Move:
    """What is to be moved, and how.

    ``guest`` is its name or id, or any of its ports. ``source`` may be left out: where it is bound. ``timeout``
    (seconds) is for each wait. ``probe_from`` is the guest that watches, None for whichever there is, "none" for
    nobody; it probes every ``interval`` seconds. ``fail_at`` is the step to fail. ``sampled``: read Neutron's ports all
    the while, for the report. ``addressing`` is for cold moves. ``emptying``: all guests of the source move, so none of
    them can watch. ``delays``: seconds to wait before steps. ``help``: help Neutron's agent when it leaves a port alone
    (see settling). ``processes``: what becomes of the guest's own when it moves live.
    """

    guest: str
    destination: str
    source: str | None = None
    timeout: float = 300.0
    wait: bool = True
    plugging_is_fatal: bool = True
    probe_from: str | None = None
    interval: float = 0.01
    fail_at: str | None = None
    sampled: bool = False
    addressing: Addressing = "auto"
    emptying: bool = False
    delays: Mapping[str, float] = field(default_factory=dict)
    help: bool = True
    processes: Fate = "auto"


class Migration(ABC):
    """One move of one guest with all its interfaces.

    ``run`` does it, or puts back what it did; ``report`` says how it went, either way.
    """

    kind: ClassVar[Literal["live", "cold"]]
    step_names: ClassVar[tuple[str, ...]]

    def __init__(
        self, neutron: Neutron, agents: Agents, move: Move, *, events: Events | None = None, progress: Progress = SILENT
    ) -> None:
        for step in (move.fail_at, *move.delays):
            if step is not None and step not in self.step_names:
                known = ", ".join(self.step_names)
                raise InvalidInput(f"a {self.kind} migration has no step {step!r}", hint=f"Steps are: {known}.")
        self.neutron = neutron
        self.agents = agents
        self.events = events
        self.move = move
        self.progress = progress
        self.job = Job(Lookout(neutron, agents), progress)
        self.course = Course(self.job, progress, move.fail_at, move.delays)
        self.watch = ActiveWatch(neutron)
        self._report: MigrationReport | None = None

    def run(self) -> MigrationReport:
        """Move the guest. Upon failure or interrupt everything is put back, and the error says what was not.

        Raises what ``check`` raises; Conflict while another command works on one of its ports; Gone when one is deleted
        meanwhile; BindingFailed, PlugFailed, AgentDown, TimedOut, Refused, Unreachable.
        """
        self.agents.prepare()
        self.course.steps.clear()
        with ExitStack() as claim:
            with self.job.lookout.explained(), self.course.step("check", "looking up the guest and the hosts"):
                self.found = moving.find(self.neutron, self.agents, self.move.guest)
                for port_id in self.found.port_ids[:1]:
                    self.job.lookout.exists(port_id)
                doing = f"a migration to {self.move.destination}"
                claim.enter_context(self.agents.claimed(self.found.things, doing, guests=[self.found.guest_id]))
                self._check()
            return self._run()

    def _run(self) -> MigrationReport:
        if len(self.guest.interfaces) == 1:  # else there is a guest to go back to, with what it still has
            for port in self.guest.ports:
                for host in (self.source, self.destination):
                    clear = functools.partial(self.agents.on(host).unplug, port.id)
                    self.job.clearance.add(f"unplugged on {host}", clear)
        for port in self.guest.ports:
            self.job.lookout.exists(port.id)
            self.job.lookout.plugged(port.id, self.source)
        problem: BaseException | None = None
        try:
            self.job.run(self._observed)
        except BaseException as raised:
            problem = raised
            raise
        finally:
            self._report = self._make_report(problem)
        return self._report

    def status(self) -> str:
        """Read what Neutron calls its ports now: ACTIVE when all are, "" when it has none. Raises Gone."""
        with self.job.lookout.explained():
            found = [str(self.neutron.port(port.id)["status"]) for port in self.guest.ports]
        return next((status for status in found if status != "ACTIVE"), "ACTIVE" if found else "")

    @property
    def report(self) -> MigrationReport | None:
        """How it went; None when it never began."""
        return self._report

    # -- before ----------------------------------------------------------------------------------------------

    def _check(self) -> None:
        """Look everything up, and refuse what cannot go well.

        Raises InvalidInput, NotFound, AgentDown, Conflict when it is not at the source or has a migration under way.
        """
        ports = self.found.ports(self.neutron)
        self.source = self.move.source or self._where(ports)
        self.destination = self.move.destination
        if self.source == self.destination:
            raise InvalidInput(
                f"source and destination are the same host: {self.source}", hint="Name another host to move to."
            )
        self.agents.require(self.source, self.destination)
        seen = self._at_source(ports)
        self._refuse_half_moved(seen, [port for port in ports.values() if port["id"] in moving.ports_on(seen)])
        self.guest = moving.gather(self.neutron, seen, ports)
        self._observation = Observation(self.neutron, self.agents, self.guest, self.course)

    def _where(self, ports: dict[str, Resource]) -> str:
        """Say where it is: where the port that was named is bound, else the others are."""
        hosts = [str(port["binding:host_id"]) for port in ports.values()] or list(self.found.hosts)
        known = list(filter(None, hosts))
        if not known:
            raise Conflict(f"{self.found.words} is bound to no host", hint="fakevm plug plugs it on one.")
        return known[0]

    def _at_source(self, ports: dict[str, Resource]) -> GuestSeen:
        try:
            seen = self.agents.on(self.source).show_guest(self.found.guest_id)
        except NotFound as problem:
            for port in ports.values():
                raise moving.not_plugged(port, self.source) from problem
            raise
        if seen.state == "stopped":
            raise Conflict(
                f"{self.found.words} is stopped on {self.source}", hint=f"fakevm guest start {seen.title} starts it."
            )
        return seen

    def _refuse_half_moved(self, seen: GuestSeen, ports: list[Resource]) -> None:
        """Raise Conflict when it looks as if a migration was under way, or had been cut short."""
        wrong = [said for port in ports for said in diagnose(port, self.neutron.bindings(port["id"]), {})]
        wrong += on_hosts({self.source: seen} | self._at_destination())
        if wrong:
            raise Conflict(
                f"{self.found.words} has a migration under way, or one that was cut short: "
                f"{'; '.join(dict.fromkeys(wrong))}",
                hint=f"If nobody moves it just now: fakevm migrate --recover {(*self.found.port_ids, seen.id)[0]}",
            )

    def _at_destination(self) -> dict[str, GuestSeen]:
        try:
            return {self.destination: self.agents.on(self.destination).show_guest(self.found.guest_id)}
        except NotFound:
            return {}

    # -- the way ---------------------------------------------------------------------------------------------

    def _observed(self) -> None:
        self._observation.begin(self.events)
        if self.move.sampled:
            self._observation.sample()
        if self.move.probe_from != "none":
            with self.course.wait("observe", "starting to probe it from another guest"):
                self._observation.probe(
                    self.move.probe_from,
                    self.move.interval,
                    last=(self.source, self.destination),
                    never=(self.source,) if self.move.emptying else (),
                )
        self._work()

    @abstractmethod
    def _work(self) -> None:
        """Go from source to destination; every step remembers in the job how to take it back."""

    def _undo(self, port: MovingPort, what: str, act: Callable[[], object]) -> None:
        """Remember how to take something back that was done to a port; of one that was deleted nothing is left."""

        def attempt() -> None:
            try:
                act()
            except NotFound:
                if port in self._present():
                    raise

        self.job.undo.add(what, attempt)

    def _present(self) -> tuple[MovingPort, ...]:
        """Give those of its ports that Neutron has; what the source has of the others goes."""
        ids = [port.id for port in self.guest.ports]
        there = {port["id"] for port in self.neutron.ports(ids, fields=("id",))}
        for port_id in sorted(set(ids) - there):
            self.agents.on(self.source).unplug(port_id)
        return tuple(port for port in self.guest.ports if port.id in there)

    # -- after -----------------------------------------------------------------------------------------------

    def _make_report(self, problem: BaseException | None) -> MigrationReport:
        self.progress.seen("waiting for the last probes")
        seconds = self.course.seconds
        first = self.guest.ports[0].resource if self.guest.ports else {"name": self.guest.seen.name, "device_id": ""}
        return MigrationReport(
            name=first["name"],
            guest_id=self.guest.id,
            instance_id=first["device_id"],
            source=self.source,
            destination=self.destination,
            kind=self.kind,
            result=self._result(problem),
            error=_words(problem),
            began=self.course.began,
            seconds=seconds,
            steps=tuple(self.course.steps),
            events=self._observation.events(),
            interfaces=self._observation.end(patience=0.0 if isinstance(problem, Gone) else None),
        )

    def _result(self, problem: BaseException | None) -> Literal["moved", "rolled back", "left half-way"]:
        if problem is None:
            return "moved"
        return "left half-way" if self.job.undo.failed else "rolled back"


def _words(problem: BaseException | None) -> str:
    if problem is None:
        return ""
    if isinstance(problem, (KeyboardInterrupt, Stopped)):
        return "interrupted"
    return problem.what if isinstance(problem, FakevmError) else f"{type(problem).__name__}: {problem}"
