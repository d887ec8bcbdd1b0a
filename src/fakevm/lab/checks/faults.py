"""Faults of hosts and of single programs, made before checks and repaired after them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager

from fakevm.lab import fault, programs
from fakevm.lab.topology import reboot
from fakevm.model.lab import LabRecord
from fakevm.model.labfile import LabFile
from fakevm.model.labfile.fault import FaultFile
from fakevm.progress import Progress


def refuse_unknown(record: LabRecord, lab: LabFile, wanted: Iterable[FaultFile | None]) -> None:
    """Refuse faults of programs that a lab does not have, before anything is broken. Raises NotFound."""
    programs.find(record, [one.target for one in wanted if one and not hosts(record, lab, one)])


@contextmanager
def made(record: LabRecord, lab: LabFile, wanted: FaultFile | None, progress: Progress) -> Iterator[None]:
    """Make a fault, and repair it whatever happens; None is no fault."""
    if wanted is None:
        yield
    elif its := hosts(record, lab, wanted):
        with ExitStack() as stack:
            for host in its:
                stack.enter_context(_host(record, host, wanted, progress))
            yield
    else:
        with _program(record, wanted, progress):
            yield


def hosts(record: LabRecord, lab: LabFile, wanted: FaultFile) -> list[str]:
    """Name the hosts that have a fault; empty: it is a program's."""
    there = [host.name for host in record.hosts]
    if wanted.way == "kill_zone":
        return [name for name in there if name in lab.hosts and lab.hosts[name].zone == wanted.target]
    return [name for name in there if name == wanted.target]


@contextmanager
def _host(record: LabRecord, host: str, wanted: FaultFile, progress: Progress) -> Iterator[None]:
    make = {"stop": fault.stop, "kill": fault.kill, "kill_zone": fault.kill, "cut": fault.cut}[wanted.way]
    with progress.step(f"{wanted.way.partition('_')[0]} {host}"):
        make(record, host)
    try:
        yield
    finally:
        with progress.step(f"{host} comes back"):
            if wanted.way == "cut":
                fault.join(record, host)
            elif fault.start(record, host, progress):
                reboot.run_again(record, host, progress)


@contextmanager
def _program(record: LabRecord, wanted: FaultFile, progress: Progress) -> Iterator[None]:
    """A program that is restarted or killed comes back by itself."""
    (program,) = programs.find(record, [wanted.target])
    with progress.step(str(wanted)):
        if wanted.way == "restart":
            programs.restart(record, program, progress)
        elif wanted.way == "kill":
            programs.kill(record, program, progress)
        else:
            programs.stop(record, program)
    try:
        yield
    finally:
        if wanted.way == "stop":
            with progress.step(f"{program} comes back"):
                programs.start(record, program, progress)
