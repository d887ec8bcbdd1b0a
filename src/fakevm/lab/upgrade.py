"""Another release of Neutron for a lab that runs: for its server, or for the agents of a host. Guests stay."""

from __future__ import annotations

import time
from collections.abc import Collection
from pathlib import Path

from fakevm import release
from fakevm.backend import base as backends
from fakevm.errors import CommandFailed, Conflict, InvalidInput, LabFailed, NotFound, TimedOut
from fakevm.linux import supervision
from fakevm.model.lab import LabRecord
from fakevm.progress import Progress
from fakevm.release import Derivation
from fakevm.rpc.contract import AGENT_BINARY
from fakevm.waiting import until

from . import database_template, fault, files, neutron, readiness, registry, releases, warm
from .config import effective
from .services import loading


def host(record: LabRecord, name: str, wanted: str, progress: Progress, timeout: float = 180.0) -> LabRecord:
    """Run the Neutron agents of a host from another release (a version or a series); returns the changed record.

    Waits, ``timeout`` seconds at most, until Neutron's server has heard of each. What runs already is left alone.
    Raises NotFound, InvalidInput, Conflict, LabFailed, TimedOut, and what installing a release raises.
    """
    chosen = next((h for h in record.hosts if h.name == name), None)
    if chosen is None:
        known = ", ".join(h.name for h in record.hosts)
        raise NotFound(f"lab {record.name!r} has no host {name!r}", hint=f"Hosts: {known}.")
    made = _target(record, wanted)
    version = made.name
    if version == chosen.release:
        return record
    folder = record.host_directory(name)
    old, new = release.path(chosen.release), releases.make(made, progress)
    if not any(path.name != AGENT_BINARY for path in (folder / "service").glob("neutron-*")):
        progress.note(f"{name} runs nothing of Neutron's with {record.backend}: there is nothing to upgrade")
        return registry.change(record, lambda now: _with_release(now, name, version))
    programs = _programs(folder / "service", old)
    _tell_unheeded(record, folder, version, progress)
    with progress.step(f"{name}'s agents to {version}"):
        _stop(folder / "service", programs, timeout)
        stopped = time.time()
        warm.follow(record.directory, old, new)
        _move(folder, old, new)
        supervision.start(folder / "service", *programs)
        expected = [binary for binary in chosen.agents if binary in programs]
        what = f"{name}'s agents were not heard of"
        until(lambda: fault.unheard(record, name, expected, stopped, progress), what, timeout)
    return registry.change(record, lambda now: _with_release(now, name, version))


def server(record: LabRecord, wanted: str, progress: Progress, timeout: float = 180.0) -> LabRecord:
    """Run Neutron's server from another release, its database migrated; returns the changed record.

    Neutron's API is away meanwhile, guests and agents are not. Waits and raises as ``host`` does; also CommandFailed,
    and InvalidInput also when the release is older.
    """
    made = _target(record, wanted)
    version = made.name
    if version == record.release:
        return record
    if release.shipped().index(made.version) < release.shipped().index(release.base(record.release)):
        raise InvalidInput(
            f"lab {record.name!r} has Neutron {record.release}: its database cannot go back to {version}",
            hint="Start a lab of that release: fakevm lab up.",
        )
    folder = record.directory
    old, new = release.path(record.release), releases.make(made, progress)
    programs = _programs(folder / "service", old)
    _tell_unheeded(record, folder / "neutron", version, progress)
    with progress.step("stopping the server"):
        _stop(folder / "service", programs, timeout)
    with progress.step("migrating the database"):
        warm.follow(record.directory, old, new)
        _move(folder / "neutron", old, new)
        _move(folder, old, new)
        _migrate(record, new)
    with progress.step(f"the server of {version}"):
        supervision.start(folder / "service", *programs)
        readiness.wait_api(record, timeout)
        readiness.wait_rpc(record, timeout)
    return registry.change(record, lambda now: now._replace(release=version))


def _tell_unheeded(record: LabRecord, folder: Path, version: str, progress: Progress) -> None:
    """Say which options of the lab file's ``config`` are of no use any more."""
    for what in effective.unheeded(folder, version, backends.load(record.backend).python_path):
        progress.note(what)


def _target(record: LabRecord, wanted: str) -> Derivation:
    """Find what is meant, with the lab's packages.

    Raises NotFound, InvalidInput: the backend does not run with it, Conflict.
    """
    if not record.neutron:
        raise InvalidInput(f"lab {record.name!r} has no Neutron to upgrade (neutron: false in its file)")
    version = release.base(release.resolve(wanted))
    releases.refuse(backends.load(record.backend), record.backend, version)
    if record.state == "unfinished" and registry.runs(record):
        raise Conflict(f"lab {record.name!r} is unfinished", hint="Go on with its file first: fakevm lab apply FILE")
    if record.state != "up" or not registry.runs(record):
        raise Conflict(f"lab {record.name!r} does not run", hint="Only a lab that is up can be upgraded.")
    return release.derive(version, packages=loading.packages(registry.lab_file(record)))


def _programs(services: Path, venv: Path) -> list[str]:
    """Name the programs that a release's environment runs."""
    runs = [run for run in sorted(services.glob("*/run")) if not warm.is_one(run.parent.name)]
    found = [run.parent.name for run in runs if f"{venv}/" in run.read_text()]
    if not found:
        raise LabFailed(f"no program in {services} is of {venv}", hint="Is FAKEVM_CACHE as it was at lab up?")
    return found


def _stop(services: Path, programs: Collection[str], timeout: float) -> None:
    supervision.stop(services, *programs)

    def check() -> str:
        states = supervision.status(services)
        return ", ".join(name for name in programs if states[name].running)

    until(check, "the old programs did not end", timeout)


def _move(folder: Path, old: Path, new: Path) -> None:
    """Name another environment where a folder's programs and configuration name one."""
    runs = (run for run in folder.glob("service/*/run") if not warm.is_one(run.parent.name))
    for path in (*runs, *folder.glob("*.conf"), *folder.glob("*.ini")):
        text = path.read_text()
        if f"{old}/" in text:
            files.write(path, text.replace(f"{old}/", f"{new}/"), path.stat().st_mode & 0o777)


def _migrate(record: LabRecord, venv: Path) -> None:
    doing = f"migrating the database to {venv.parent.name}"
    try:
        database_template.run(record, neutron.migrate_command(venv), doing)
    except (CommandFailed, TimedOut) as exc:
        hint = f"The server is left stopped. {exc.hint} A database never goes back to an older release."
        raise type(exc)(exc.what, hint=hint) from exc


def _with_release(record: LabRecord, name: str, version: str) -> LabRecord:
    hosts = tuple(h._replace(release=version) if h.name == name else h for h in record.hosts)
    return record._replace(hosts=hosts)
