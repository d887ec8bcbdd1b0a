"""Options of Neutron's programs that are others in the new file: written, and the programs concerned restarted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from fakevm.backend import base as backends
from fakevm.lab import fault, files, programs, waves
from fakevm.lab.config import effective, known
from fakevm.lab.programs import Program
from fakevm.linux import supervision
from fakevm.model import config
from fakevm.model.lab import LabRecord
from fakevm.model.labfile import LabFile
from fakevm.model.labfile.config import Sections
from fakevm.progress import Progress

from .drift import Drift
from .step import Change, Step

# Section and option → what stands in a file.
Lines = Mapping[known.Key, list[str]]


class Reader(NamedTuple):
    """Who reads a file of what the lab file says: a word for programs of the lab (``host`` is empty), or of a host."""

    host: str
    word: str
    release: str

    def given(self, lab: LabFile) -> tuple[Sections, ...]:
        """Give what a lab file says to it, the lab's first."""
        own = lab.hosts[self.host].config if self.host in lab.hosts else {}
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
    """Find what the programs of a lab are to be told; ``old`` is its file. Raises CommandFailed, LabFailed.

    Compared is also what stands in their files: an apply that failed has left it there, and saved no lab file.
    """
    path = backends.load(record.backend).python_path
    found = []
    for reader in readers(record):
        if reader.host and reader.host not in new.hosts:
            continue
        there, given = effective.read(reader.path(record)), reader.given(new)
        if not there and not any(given) and not any(reader.given(old)):
            continue
        options = known.of(reader.word, reader.release, path)
        wanted = _lines(options, given)
        was = there if there != wanted else _lines(options, reader.given(old))
        if changes := tuple(_changes(was, wanted)):
            reading = tuple(_reading(record, reader))
            running = tuple(program for program in reading if _runs(record, program))
            found.append(Told(reader, known.text(options, *given), changes, reading, running))
    return tuple(found)


def differences(record: LabRecord, lab: LabFile) -> Iterator[Drift]:
    """Compare what programs are told, in their files, with what a lab file says. Raises LabFailed, CommandFailed."""
    path = backends.load(record.backend).python_path
    for reader in readers(record):
        there, given = effective.read(reader.path(record)), reader.given(lab)
        if (there or any(given)) and reader.host in ("", *lab.hosts):
            wanted = _lines(known.of(reader.word, reader.release, path), given)
            what = f"{reader.host}/{reader.word}".removeprefix("/")
            for change in _changes(wanted, there):
                yield Drift("changed", "options", what, *change)


def readers(record: LabRecord) -> Iterator[Reader]:
    """List who reads such files in a lab."""
    for word in config.SERVER_WORDS:
        # Labs of an older FakeVM have none.
        if (reader := Reader("", word, record.release)).path(record).exists():
            yield reader
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
    programs.restart_in_turn(record, wanted, progress, waves.at_once(), timeout=timeout)


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


def _changes(was: Lines, wanted: Lines) -> Iterator[Change]:
    for section, name in dict.fromkeys((*was, *wanted)):
        old, new = was.get((section, name)), wanted.get((section, name))
        if old != new:
            yield Change(f"[{section}] {name}", _one(old), _one(new))


def _one(lines: Sequence[str] | None) -> str | None:
    return None if lines is None else ",".join(lines)


def _lines(options: known.Known, given: Sequence[Sections]) -> Lines:
    """Give what stands in a reader's file."""
    return {
        (option.section, option.name): option.lines(value) for option, value in known.flat(options, *given).values()
    }
