"""Brings a lab up."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fakevm import release
from fakevm.backend import base as backends
from fakevm.errors import FakevmError, LabFailed, LabUnfinished, Prerequisite
from fakevm.linux import supervision
from fakevm.model.lab import LabRecord
from fakevm.model.labfile import LabFile
from fakevm.model.plan import LabPlan
from fakevm.model.program import Program
from fakevm.progress import Progress

from . import carrying, datapath, ending, limits, planning, registry, releases, sandbox, warm
from .config import checking
from .doors import Doors, listen, ports
from .part import Part, Run, bring_up
from .parts import parts_of
from .settle.settling import Place, nowhere, settle
from .topology import making

# Bytes that a lab is to have when it starts.
_ROOM, _ROOM_WITHOUT_NEUTRON = 500 * 2**20, 50 * 2**20


def up(
    lab: LabFile, progress: Progress, *, api_port: int = 0, timeout: float = 180.0, place: Place = nowhere
) -> LabRecord:
    """Start a lab and wait, ``timeout`` seconds at most for each step, until all its agents are alive
    and the networks, routers and guests of its file are there, but for those that its backend has no way to make.

    ``place`` says where in the file something is. What fails until Neutron answers ends the lab's processes, and its
    folder is kept for its logs; what fails afterwards leaves the lab as it is, to be gone on with (ADR 0030). When it
    is interrupted (KeyboardInterrupt) nothing is kept.
    Raises InvalidFile, Conflict, Prerequisite, LabFailed, TimedOut, and LabUnfinished: the lab is there.
    """
    directory = registry.root() / lab.name
    open_vswitch = backends.load(lab.backend).open_vswitch
    check_room(directory, _ROOM if lab.neutron else _ROOM_WITHOUT_NEUTRON)
    with progress.step("prerequisites"):
        kernel = datapath.choose(lab.datapath, open_vswitch=open_vswitch)
        settled = settle(lab, kernel_datapath=kernel, place=place)
        releases.refuse_without_python(settled.lab)
        limits.refuse_unlimited(settled.lab)
        carrying.require(settled.lab.links)
    written, lab, backend = lab, settled.lab, settled.backend
    for note in settled.notes:
        progress.note(note.what)
    for what in limits.notes(lab, backend):
        progress.note(what)
    wanted = releases.environments(lab).values()
    is_new = any(release.find(one.name) is None for one in wanted)
    venvs = {one.name: releases.make(one, progress) for one in wanted}
    if is_new and checking.is_given(lab):
        # Only now it can be said which options there are.
        settle(written, kernel_datapath=kernel, place=place)
    with contextlib.ExitStack() as held:
        for venv in venvs.values():
            held.enter_context(release.coming(venv))
        lock = sandbox.claim(directory)
        held.callback(os.close, lock)
        try:
            _clear(directory)
            plan = planning.placed(settled.plan, directory, venvs)
            doors = listen(api_port, {part.door for part in parts_of(plan, backend)}, held)
            plan = planning.reached(plan, ports(doors))
            parts = parts_of(plan, backend)
            # An address that is taken is told before anything is made.
            sockets = carrying.opened(settled.lab.links, held)
            run = Run(_record(plan, ports(doors), parts, lab.guest_kind), progress, timeout)
            record = _bring_up(plan, parts, run, (*doors, lock))
            return _finish(record, lab, sockets, progress, timeout)
        except LabUnfinished:
            raise
        except Exception as exc:
            held.close()
            raise _failure(directory, exc) from exc
        except BaseException:
            held.close()
            ending.remove(directory)
            raise


def _finish(
    record: LabRecord, lab: LabFile, sockets: Mapping[str, carrying.Opened], progress: Progress, timeout: float
) -> LabRecord:
    """Make what the file wants of a lab that runs. Raises LabUnfinished: some of it is not there."""
    done: dict[str, int] = {}

    def ran(guest: str, count: int) -> None:
        # Nothing is run again when somebody goes on.
        done[guest] = count
        registry.save_lab_file(record, making.with_commands(lab, done))

    registry.save_lab_file(record, making.with_commands(lab, done))
    try:
        making.make(lab, record, progress, timeout, ran, sockets=sockets)
    except (FakevmError, OSError) as exc:
        with contextlib.suppress(OSError):
            _save(record, state="unfinished")
        raise _unfinished(record.name, exc) from exc
    registry.save_lab_file(record, lab)
    return _save(record, state="up")


def _bring_up(plan: LabPlan, parts: Sequence[Part], run: Run, handed: sandbox.Handed) -> LabRecord:
    with run.progress.step("configuration"):
        _write(plan, run.record, parts)
    with run.progress.step("sandbox"):
        sandbox.start(plan.directory, plan.name, handed)
        pid = sandbox.wait_ready(plan.directory, run.timeout)
        record = _save(run.record, pid=pid)
    bring_up(parts, dataclasses.replace(run, record=record))
    late = [program.name for program in _programs(parts) if program.late]
    supervision.start(plan.directory / "service", *late)
    return record


def _unfinished(name: str, exc: FakevmError | OSError) -> LabUnfinished:
    what, hint = (exc.what, exc.hint) if isinstance(exc, FakevmError) else (str(exc), "")
    going_on = f"Go on, with the same file or a mended one: fakevm --lab {name} lab apply FILE"
    return LabUnfinished(
        f"lab {name!r} is up, but not all of its file was made: {what}",
        hint="\n".join(filter(None, (hint, going_on))),
    )


def fail(directory: Path) -> None:
    """End a lab that is of no use; its logs are kept."""
    _failure(directory, LabFailed(""))


def _failure(directory: Path, exc: Exception) -> Exception:
    """End a lab that did not come up; keep its logs if there are any. Returns the error to raise."""
    logs = ""
    what = f"lab {directory.name!r} did not come up: {exc}" if isinstance(exc, OSError) else getattr(exc, "what", "")
    if sandbox.is_full(directory) or os.strerror(errno.ENOSPC) in str(exc):
        # Whoever met it first: the copy of the database (shutil.Error names each file), s6, the broker's time-out.
        what = f"lab {directory.name!r} did not come up: no space left in {directory}"
    with ending.uninterrupted(), sandbox.ended(directory):
        if (directory / "log/sandbox.log").exists():
            logs = f"The logs: fakevm --lab {directory.name} lab logs, or {directory}/log and {directory}/hosts/*/log."
            with contextlib.suppress(OSError, FakevmError):
                registry.save(registry.load(directory)._replace(state="failed"))
        else:
            ending.erase(directory)
    if isinstance(exc, FakevmError):
        return type(exc)(what, hint="\n".join(filter(None, (exc.hint, logs))))
    if isinstance(exc, OSError):
        return LabFailed(what, hint=logs)
    return exc


def _clear(directory: Path) -> None:
    """Empty a folder that is locked: what is left of a lab that failed or was killed."""
    sandbox.stop(directory)
    for path in directory.iterdir():
        if path.is_dir() and not path.is_symlink():
            ending.erase(path)
        else:
            path.unlink()


def _record(plan: LabPlan, ports: Doors, parts: Iterable[Part], guest_kind: str) -> LabRecord:
    found: dict[str, Any] = {}
    for part in parts:
        found |= part.recorded(ports)
    return LabRecord(
        name=plan.name,
        directory=plan.directory,
        state="starting",
        pid=0,
        release=plan.release,
        backend=plan.backend,
        datapath="kernel" if plan.kernel_datapath else "userspace",
        hosts=tuple(host for part in parts for host in part.hosts()),
        guest_kind=guest_kind,
        **found,
    )


def _save(record: LabRecord, **changes: Any) -> LabRecord:
    record = record._replace(**changes)
    registry.save(record)
    return record


def _write(plan: LabPlan, record: LabRecord, parts: Sequence[Part]) -> None:
    directory = plan.directory
    for name in ("log", "service", "private", "hosts", carrying.FOLDER):
        (directory / name).mkdir()
    registry.save(record)
    for part in parts:
        part.write()
    programs = _programs(parts)
    warm.write(plan, (*programs, *(program for part in parts for program in part.inner_programs())), directory)
    for program in warm.forked(plan, programs):
        supervision.write(directory / "service", program, f"/run/fakevm/log/{program.name}.log")


def _programs(parts: Iterable[Part]) -> tuple[Program, ...]:
    return tuple(program for part in parts for program in part.programs())


def check_room(directory: Path, needed: int = _ROOM) -> None:
    """Refuse to start a lab where there is no room for it; ``needed`` is in bytes. Raises Prerequisite."""
    existing = next(parent for parent in (directory, *directory.parents) if parent.exists())
    free = shutil.disk_usage(existing).free
    if free < needed:
        raise Prerequisite(
            f"{existing} has {free // 2**20} MB free; a lab needs {needed // 2**20} MB",
            hint="Free some room, or set FAKEVM_LABS to another folder.",
        )
