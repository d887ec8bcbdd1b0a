"""What all migrations have in common: the check, the observer, the report."""

from __future__ import annotations

import functools
import logging
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from fakevm.control.agents import Agents
from fakevm.control.binding import describe, tagged
from fakevm.control.diagnosis import diagnose
from fakevm.control.expectation import Events
from fakevm.control.job import Job, Stopped
from fakevm.control.known import words
from fakevm.control.lookout import Lookout
from fakevm.control.migration.course import Course
from fakevm.control.migration.samples import Samples
from fakevm.control.migration.witness import Witness, find_witness
from fakevm.control.neutron import Neutron
from fakevm.control.watch import ActiveWatch
from fakevm.errors import Conflict, FakevmError, Gone, InvalidInput
from fakevm.model.event import Event
from fakevm.model.migration import MigrationReport
from fakevm.model.port import Addressing, Vif
from fakevm.progress import SILENT, Progress

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Move:
    """What is to be moved, and how.

    ``source`` may be left out: where it is bound. ``timeout`` (seconds) is for each wait. ``probe_from`` is the VIF
    that watches, None for whichever there is, "none" for nobody; it probes every ``interval`` seconds. ``fail_at`` is
    the step to fail. ``sampled``: read Neutron's port all the while, for the report. ``addressing`` is for cold moves.
    ``emptying``: all guests of the source move, so none of them can watch. ``delays``: seconds to wait before steps.
    ``help``: help Neutron's agent when it leaves the port alone (see settling).
    """

    vif: str
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


class Migration(ABC):
    """One move of one port. ``run`` does it, or puts back what it did; ``report`` says how it went, either way."""

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
        self._samples: Samples | None = None
        self._witness: Witness | None = None
        self._report: MigrationReport | None = None
        self._first_event = 0

    def run(self) -> MigrationReport:
        """Move the port. Upon failure or interrupt everything is put back, and the error says what was not.

        Raises what ``check`` raises; Conflict while another command works on the port; Gone when it is deleted
        meanwhile; BindingFailed, PlugFailed, AgentDown, TimedOut, Refused, Unreachable.
        """
        self.agents.prepare()
        self.course.steps.clear()
        with self.job.lookout.explained(), ExitStack() as claim:
            with self.course.step("check", "looking up the port and the hosts"):
                port_id = self.neutron.find_guest(self.move.vif)[0].port_id
                self.job.lookout.exists(port_id)
                claim.enter_context(self.agents.claimed([port_id], f"a migration to {self.move.destination}"))
                self._check(port_id)
            return self._run()

    def _run(self) -> MigrationReport:
        for host in (self.source, self.destination):
            self.job.clearance.add(f"unplugged on {host}", functools.partial(self._clear, host))
        self.job.lookout.plugged(self.port["id"], self.source)
        problem: BaseException | None = None
        try:
            self.job.run(self._observed)
        except BaseException as raised:
            problem = raised
            raise
        finally:
            self._report = self._make_report(problem)
        return self._report

    def _clear(self, host: str) -> None:
        self.agents.on(host).unplug(self.port["id"])

    def status(self) -> str:
        """Read what Neutron calls the port now. Raises Gone."""
        with self.job.lookout.explained():
            return str(self.neutron.port(self.port["id"])["status"])

    @property
    def report(self) -> MigrationReport | None:
        """How it went; None when it never began."""
        return self._report

    # -- before ----------------------------------------------------------------------------------------------

    def _check(self, port_id: str) -> None:
        """Look everything up, and refuse what cannot go well.

        Raises InvalidInput, NotFound, AgentDown, Conflict when it is not at the source or has a migration under way.
        """
        self.port = self.neutron.port(port_id)
        self.source = self.move.source or self._where()
        self.destination = self.move.destination
        if self.source == self.destination:
            raise InvalidInput(
                f"source and destination are the same host: {self.source}", hint="Name another host to move to."
            )
        self.agents.require(self.source, self.destination)
        self.bindings = self.neutron.bindings(self.port["id"])
        self.vif = self._vif_at_source()
        wrong = diagnose(self.port, self.bindings, {self.source: self.vif})
        if wrong:
            raise Conflict(
                f"{words(self.port['id'])} has a migration under way, or one that was cut short: {'; '.join(wrong)}",
                hint=f"If nobody moves it just now: fakevm migrate --recover {self.port['id']}",
            )
        self.network = self.neutron.network(self.port["network_id"])
        self.subnets = self.neutron.subnets(self.network["id"])
        self.vlans = tuple(tagged(self.neutron, self.port))

    def _where(self) -> str:
        bound = str(self.port["binding:host_id"])
        if not bound:
            raise Conflict(f"{words(self.port['id'])} is bound to no host", hint="fakevm plug plugs it on one.")
        return bound

    def _vif_at_source(self) -> Vif:
        vifs = {vif.port_id: vif for vif in self.agents.list_vifs(self.source)}
        vif = vifs.get(self.port["id"])
        if vif is None:
            raise Conflict(
                f"{words(self.port['id'])} is not plugged on {self.source}; Neutron has it bound to "
                f"{self.port['binding:host_id'] or 'no host'}",
                hint=f"Look where it is: fakevm show {self.port['id']}",
            )
        if any(other.instance_id == vif.instance_id and other.port_id != vif.port_id for other in vifs.values()):
            raise InvalidInput(
                f"the guest of {words(vif.port_id)} has several ports: it cannot be moved port by port",
                hint="Move a guest with one port; or unplug the others before.",
            )
        return vif

    # -- the way ---------------------------------------------------------------------------------------------

    def _observed(self) -> None:
        if self.events:
            self._first_event = self.events.newest()
        if self.move.sampled:
            self._samples = Samples(self.neutron, self.port["id"], self.course)
        if self.move.probe_from != "none":
            with self.course.wait("observe", "starting to probe it from another guest"):
                self._witness = find_witness(
                    self.neutron,
                    self.agents,
                    self.port,
                    wanted=self.move.probe_from,
                    interval=self.move.interval,
                    last=(self.source, self.destination),
                    never=(self.source,) if self.move.emptying else (),
                )
                if self._witness:
                    self._witness.start()
        self._work()

    @abstractmethod
    def _work(self) -> None:
        """Go from source to destination; every step remembers in the job how to take it back."""

    # -- after -----------------------------------------------------------------------------------------------

    def _make_report(self, problem: BaseException | None) -> MigrationReport:
        self.progress.seen("waiting for the last probes")
        seconds = self.course.seconds
        patience = 0.0 if isinstance(problem, Gone) else None
        probes, outage = self._witness.stop(self.course.began, patience) if self._witness else ((), None)
        return MigrationReport(
            name=self.port["name"],
            port_id=self.port["id"],
            instance_id=self.port["device_id"],
            network=self.network["name"],
            mac_address=self.port["mac_address"],
            addresses=self._addresses(),
            source=self.source,
            destination=self.destination,
            kind=self.kind,
            result=self._result(problem),
            error=_words(problem),
            began=self.course.began,
            seconds=seconds,
            steps=tuple(self.course.steps),
            outage=outage,
            events=self._events(),
            samples=self._samples.stop() if self._samples else (),
            probes=probes,
        )

    def _addresses(self) -> tuple[str, ...]:
        """Give the port's addresses in CIDR form, as they are on the guest's device."""
        described = describe(self.port, self.network, self.subnets)
        return tuple(f"{fixed.address}/{fixed.prefix_length}" for fixed in described.fixed_ips)

    def _result(self, problem: BaseException | None) -> Literal["moved", "rolled back", "left half-way"]:
        if problem is None:
            return "moved"
        return "left half-way" if self.job.undo.failed else "rolled back"

    def _events(self) -> tuple[Event, ...]:
        if not self.events:
            return ()
        try:
            events, _lost = self.events.follow(self._first_event, wait=0.0)
        except FakevmError as problem:
            LOG.warning("the events are missing from the report: %s", problem.what)
            return ()
        return tuple(event for event in events if event.tag == self.port["id"])


def _words(problem: BaseException | None) -> str:
    if problem is None:
        return ""
    if isinstance(problem, (KeyboardInterrupt, Stopped)):
        return "interrupted"
    return problem.what if isinstance(problem, FakevmError) else f"{type(problem).__name__}: {problem}"
