"""Options of Neutron's programs that are others in the new file: written, and the programs concerned restarted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from fakevm.backend import base as backends
from fakevm.lab import fault, files, programs, waves
from fakevm.lab.config import effective, known
from fakevm.lab.programs import Program
from fakevm.linux import supervision
from fakevm.model import config
from fakevm.model.lab import LabRecord
from fakevm.model.labfile import LabFile
from fakevm.model.labfile.config import Sections
from fakevm.progress import SILENT, Progress

from .drift import Drift
from .step import Change, Step, plain


class Reader(NamedTuple):
    """Who reads a file of what the lab file says: a word for programs of the lab (``host`` is empty), or of a host."""

    host: str
    word: str
    release: str

    def given(self, lab: LabFile) -> tuple[Sections, ...]:
        """Give what a lab file says to it, the lab's first."""
        own = lab.hosts[self.host].config if self.host else {}
        return lab.config.get(self.word, {}), own.get(self.word, {})

    def path(self, record: LabRecord) -> Path:
        """Name its file."""
        folder = record.host_directory(self.host) if self.host else record.directory / "neutron"
        return folder / config.given(self.word)


class Told(NamedTuple):
    """What a reader is to be told that it was not told; ``programs`` read it, and of them ``running`` are restarted."""

    reader: Reader
    text: str
    changes: tuple[Change, ...]
    programs: tuple[Program, ...]
    running: tuple[Program, ...]


def steps(telling: Iterable[Told]) -> Iterator[Step]:
    """Say what is done: a program that does not run reads its files when it is started."""
    changes: dict[tuple[str, Program], tuple[Change, ...]] = {}
    for each in telling:
        for program in each.programs:
            key = "restart" if program in each.running else "change", program
            changes[key] = (*changes.get(key, ()), *each.changes)
    for (action, program), what in changes.items():
        yield Step(action, "program", str(program), what)


def told(record: LabRecord, old: LabFile, new: LabFile) -> tuple[Told, ...]:
    """Compare what two files say to the programs that a lab has. Raises CommandFailed."""
    path = backends.load(record.backend).python_path
    found = []
    for reader in readers(record):
        if reader.host and reader.host not in new.hosts:
            continue
        before, after = reader.given(old), reader.given(new)
        if before == after:
            continue
        options = known.of(reader.word, reader.release, path)
        changes = tuple(_changes(options, before, after))
        text = known.text(options, *after)
        if changes:
            reading = tuple(_reading(record, reader))
            running = tuple(program for program in reading if _runs(record, program))
            found.append(Told(reader, text, changes, reading, running))
    return tuple(found)


def differences(record: LabRecord, lab: LabFile) -> Iterator[Drift]:
    """Compare what programs are told, in their files, with what a lab file says. Raises LabFailed, CommandFailed."""
    path = backends.load(record.backend).python_path
    for reader in readers(record):
        if reader.host and reader.host not in lab.hosts:
            continue
        there = effective.read(reader.path(record))
        given = reader.given(lab)
        if not there and not any(given):
            continue
        options = known.of(reader.word, reader.release, path)
        wanted = {(o.section, o.name): o.lines(value) for o, value in known.flat(options, *given).values()}
        for section, name in dict.fromkeys((*wanted, *there)):
            pair = wanted.get((section, name)), there.get((section, name))
            if pair[0] != pair[1]:
                what = f"{reader.host}/{reader.word}".removeprefix("/")
                yield Drift("changed", "options", what, f"[{section}] {name}", *map(_one, pair))


def _one(lines: Sequence[str] | None) -> str | None:
    return None if lines is None else ",".join(lines)


def readers(record: LabRecord) -> Iterator[Reader]:
    """List who reads such files in a lab."""
    for word in config.SERVER_WORDS:
        yield Reader("", word, record.release)
    for host in record.hosts:
        for path in sorted((record.host_directory(host.name) / config.GIVEN).glob("*.ini")):
            yield Reader(host.name, path.stem, host.release)


def carry_out(record: LabRecord, telling: Sequence[Told], progress: Progress, timeout: float) -> None:
    """Write the files, then restart the programs that read them and run, the server's first; wait until all serve.

    ``timeout`` (seconds) is for each. If this is cut short it may be repeated. Raises LabFailed, TimedOut.
    """
    for each in telling:
        files.write(each.reader.path(record), each.text)
    wanted = list(dict.fromkeys(program for each in telling for program in each.running))
    of_lab = [program for program in wanted if not program.host]
    for title, running in (("the server", of_lab), ("agents", [p for p in wanted if p not in of_lab])):
        if running:
            with progress.step(f"restarting {title}"):
                _restart(record, running, progress, timeout)


def _restart(record: LabRecord, wanted: Sequence[Program], progress: Progress, timeout: float) -> None:
    with ThreadPoolExecutor(waves.at_once()) as pool:
        under_way = [pool.submit(programs.restart, record, program, SILENT, timeout=timeout) for program in wanted]
        for number, (program, one) in enumerate(zip(wanted, under_way, strict=True), start=1):
            one.result()
            progress.seen(f"{number} of {len(wanted)}: {program}")


def _runs(record: LabRecord, program: Program) -> bool:
    """Tell whether a program runs."""
    if program.host and fault.states(record, program.host)[program.host] in fault.ENDED:
        return False
    services = record.services()[program.host]
    return supervision.status(services, program.name)[program.name].running


def _reading(record: LabRecord, reader: Reader) -> Iterator[Program]:
    """Find the programs that read a reader's file: they are started with its name."""
    for run in sorted(record.services()[reader.host].glob("*/run")):
        if config.given(reader.word) in run.read_text():
            yield Program(reader.host, run.parent.name)


def _changes(options: known.Known, before: Sequence[Sections], after: Sequence[Sections]) -> Iterator[Change]:
    was, wanted = _flat(options, before), _flat(options, after)
    for name in {**was, **wanted}:
        if was.get(name) != wanted.get(name):
            yield Change(name, plain(was.get(name)), plain(wanted.get(name)))


def _flat(options: known.Known, given: Sequence[Sections]) -> Mapping[str, Any]:
    return {str(option): value for option, value in known.flat(options, *given).values()}
