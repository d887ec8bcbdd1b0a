"""A part of a lab: what it writes, which programs it is, what it needs, and when it is there.

Parts know one another by name alone; which a lab has is said in ``fakevm.lab.parts``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import ClassVar, NamedTuple

from fakevm.backend.base import Backend
from fakevm.linux import supervision
from fakevm.model.lab import HostRecord, LabRecord
from fakevm.model.plan import LabPlan
from fakevm.model.program import Program
from fakevm.progress import Progress

from .doors import Doors


@dataclass(frozen=True)
class Run:
    """A lab that comes up; for each thing that is waited for there are ``timeout`` seconds."""

    record: LabRecord
    progress: Progress
    timeout: float


class Part:
    """One part of one lab. Derive from it, and say what is not as it is here."""

    #: how other parts name it
    name: ClassVar[str]
    #: the parts that must be there before it begins; one that the lab does not have is not waited for
    needs: ClassVar[tuple[str, ...]] = ()
    #: the programs that it may have, by name: checks may stop them
    program_names: ClassVar[tuple[str, ...]] = ()
    #: the step as which it is shown while it is waited for; a part that nobody waits for has none
    title: ClassVar[str] = ""
    #: the door through which it is reached from the machine (a field of ``Doors``), if there is one
    door: ClassVar[str] = ""

    @classmethod
    def is_wanted(cls, plan: LabPlan) -> bool:
        """Tell whether a lab is to have it."""
        return True

    def __init__(self, plan: LabPlan, backend: Backend) -> None:
        self.plan = plan
        self.backend = backend

    def write(self) -> None:
        """Write into the lab's folder (``plan.directory``) what its programs start from."""

    def programs(self) -> tuple[Program, ...]:
        """Give its programs, as the lab supervises them."""
        return ()

    def inner_programs(self) -> tuple[Program, ...]:
        """Give the programs that others than the lab itself supervise: those of its hosts."""
        return ()

    def hosts(self) -> tuple[HostRecord, ...]:
        """Give what the lab's record says of its hosts."""
        return ()

    def recorded(self, ports: Doors) -> dict[str, str]:
        """Give what the lab's record says of how it is reached from the machine; ``ports`` are its doors' there."""
        return {}

    def begin(self, run: Run) -> None:
        """Start what did not start with the sandbox, and wait for nothing."""
        held = [program.name for program in self.programs() if program.held and not program.late]
        supervision.start(self.plan.directory / "service", *held)

    def wait(self, run: Run) -> None:
        """Return when others may build upon it. Raises TimedOut, LabFailed."""


class _Step(NamedTuple):
    part: str
    begins: bool


def bring_up(parts: Iterable[Part], run: Run) -> None:
    """Begin each part as soon as what it needs is there, and wait for all of them, in the order of the list.

    What can begin does so before anything else is waited for. Raises what parts raise.
    """
    by_name = {part.name: part for part in parts}
    for step in ordered(by_name):
        part = by_name[step.part]
        if step.begins:
            part.begin(run)
        else:
            shown: Callable[[str], AbstractContextManager[None]] = run.progress.step
            with shown(part.title) if part.title else nullcontext():
                part.wait(run)


def ordered(parts: Mapping[str, Part]) -> Iterator[_Step]:
    """Order what is to be done; raises graphlib.CycleError when parts need one another."""
    graph: TopologicalSorter[_Step] = TopologicalSorter()
    for name, part in parts.items():
        needed = [_Step(need, begins=False) for need in part.needs if need in parts]
        graph.add(_Step(name, begins=True), *needed)
        graph.add(_Step(name, begins=False), _Step(name, begins=True))
    places = {name: place for place, name in enumerate(parts)}
    graph.prepare()
    due: list[_Step] = []
    while graph.is_active():
        due += graph.get_ready()
        due.sort(key=lambda step: (not step.begins, places[step.part]))
        step = due.pop(0)
        yield step
        graph.done(step)
