"""Programs of a lab that run what source trees had when they were started, and would find something else now."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from fakevm import release
from fakevm.backend import base as backends
from fakevm.errors import InvalidInput
from fakevm.linux import supervision
from fakevm.model.lab import LabRecord
from fakevm.progress import Progress
from fakevm.release import cache
from fakevm.release.derivation import Derivation
from fakevm.release.imports import Imports, of_file

from . import fault, programs, warm, waves
from .programs import Program

# A program's start is noted when it has begun to import (seconds).
_BEFORE = 0.05
# The groups of entry points from which Neutron's programs load what they are told of.
_OF_SERVER = ("neutron.service_plugins", "neutron.core_plugins", "neutron.ml2.", "neutron.ipam_", "neutron.services.")
_OF_AGENTS = ("neutron.agent.", "neutron.interface_drivers", "neutron.qos.", "neutron.services.")
_RUN = "/run/fakevm/"
# What was read of source files; another name when other things are read.
_KEPT = "imports-2.json"


class Stale(NamedTuple):
    """A program that runs, and the files that it imports and that were written since it was started."""

    program: Program
    files: tuple[Path, ...]


def stale(record: LabRecord) -> list[Stale]:
    """Find them. Raises InvalidInput: nothing in the lab runs from a source tree."""
    hosts = {host.name: host.release for host in record.hosts if host.name in fault.states(record)}
    made = {name: release.made_from(name) for name in dict.fromkeys((record.release, *hosts.values()))}
    trees = {name: one for name, one in made.items() if one and one.trees}
    if not trees:
        raise InvalidInput(
            f"nothing in lab {record.name!r} runs from a source tree",
            hint="In its file: release: {path: TREE}, or packages: [TREE].",
        )
    found = []
    for name, one in trees.items():
        written = {file: _written(file) for path in one.trees for file in release.modules(path)}
        places = ([""] if record.release == name else []) + [host for host, own in hosts.items() if own == name]
        running = [program for place in places for program in _running(record, place, name)]
        found += list(_stale(record, running, one, written))
    return found


def _stale(
    record: LabRecord, running: Iterable[Program], made: Derivation, written: dict[Path, float]
) -> Iterator[Stale]:
    known: dict[tuple[str, ...], set[Path]] = {}
    imports = Imports(made.trees, cache.home(made.name) / _KEPT)
    for program in running:
        folder = record.services()[program.host] / program.name
        since = (folder / "group").stat().st_mtime - _BEFORE
        if not (changed := {file for file, when in written.items() if when > since}):
            continue
        words = tuple(_words(record, folder, made))
        if words not in known:
            known[words] = imports.reached(words)
        if concerned := sorted(changed & known[words]):
            yield Stale(program, tuple(concerned))


def _written(file: Path) -> float:
    """Tell when a file came to be as it is: who copies one may keep the time at which it was modified."""
    try:
        return file.stat().st_ctime
    except FileNotFoundError:
        return 0.0


def _running(record: LabRecord, host: str, name: str) -> Iterator[Program]:
    """Find the programs of an environment that run on a host, or (an empty name) of the lab itself."""
    services, venv = record.services()[host], release.path(name)
    if host and fault.states(record, host)[host] in fault.ENDED:
        return
    own = [run.parent.name for run in services.glob("*/run") if f"{venv}/" in run.read_text()]
    states = supervision.status(services)
    yield from (Program(host, one) for one in sorted(own) if states[one].running and not warm.is_one(one))


def _words(record: LabRecord, folder: Path, made: Derivation) -> Iterator[str]:
    """Name the modules that a program imports: its script's, those that it imports late, plugins that it is told of."""
    text = (folder / "run").read_text()
    command = shlex.split(text.rpartition("\nexec ")[2])
    venv = release.path(made.name)
    for word in command:
        if word.startswith(f"{venv}/bin/") and not Path(word).name.startswith("python"):
            yield from of_file(Path(word))
            yield from warm.late(Path(word).name)
    of_host = "/hosts/" in str(folder)
    yield from () if of_host else backends.load(record.backend).server_imports
    told = set(re.findall(r"[\w-]+", "\n".join(_told(record, text))))
    # One name may be that of a plugin of the server and of an agent's extension.
    points = (point for point in release.entry_points(venv) if point.name in told)
    yield from (point.module for point in points if point.group.startswith(_OF_AGENTS if of_host else _OF_SERVER))


def _told(record: LabRecord, run: str) -> Iterator[str]:
    """Give what is in the files that a program reads: they are named where it is started."""
    for word in sorted(set(re.findall(rf"{_RUN}([\w./-]+\.(?:conf|ini))", run))):
        if (file := record.directory / word).is_file():
            yield file.read_text()


def carry_out(record: LabRecord, found: Sequence[Stale], progress: Progress, timeout: float) -> None:
    """Restart programs, the server's first; wait until all serve, ``timeout`` (seconds) for each.

    Raises LabFailed, TimedOut.
    """
    programs.restart_in_turn(record, [one.program for one in found], progress, waves.at_once(), timeout=timeout)
