"""Faults of hosts and of single programs, made before checks and repaired after them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from fakevm.lab import fault, programs
from fakevm.lab.topology import reboot
from fakevm.model.lab import LabRecord
from fakevm.model.labfile.check import FaultFile
from fakevm.progress import Progress


def refuse_unknown(record: LabRecord, wanted: Iterable[FaultFile | None]) -> None:
    """Refuse faults of programs that a lab does not have, before anything is broken. Raises NotFound."""
    programs.find(record, [one.target for one in wanted if one and not _of_host(record, one)])


@contextmanager
def made(record: LabRecord, wanted: FaultFile | None, progress: Progress) -> Iterator[None]:
    """Make a fault, and repair it whatever happens; None is no fault."""
    if wanted is None:
        yield
    elif _of_host(record, wanted):
        with _host(record, wanted, progress):
            yield
    else:
        with _program(record, wanted, progress):
            yield


def _of_host(record: LabRecord, wanted: FaultFile) -> bool:
    return wanted.target in {host.name for host in record.hosts}


@contextmanager
def _host(record: LabRecord, wanted: FaultFile, progress: Progress) -> Iterator[None]:
    make = {"stop": fault.stop, "kill": fault.kill, "cut": fault.cut}[wanted.way]
    with progress.step(str(wanted)):
        make(record, wanted.target)
    try:
        yield
    finally:
        with progress.step(f"{wanted.target} comes back"):
            if wanted.way == "cut":
                fault.join(record, wanted.target)
            elif fault.start(record, wanted.target, progress):
                reboot.run_again(record, wanted.target, progress)


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
