"""Which labs there are: a folder each, under one root."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from fakevm.errors import Ambiguous, FakevmError, LabFailed, NotFound, Prerequisite
from fakevm.linux import lock
from fakevm.model.lab import LabRecord

from . import files, sandbox

if TYPE_CHECKING:
    # exec reads records, and has no time for pydantic.
    from fakevm.model.labfile import LabFile

RECORD = "lab.json"
LAB_FILE = "lab-file.json"
# Others change a record in a moment (seconds).
_PATIENCE = 30.0


def root() -> Path:
    """Name the folder of all labs: FAKEVM_LABS, else /var/lib for root, else the user's own state folder (XDG)."""
    if chosen := os.environ.get("FAKEVM_LABS"):
        return Path(chosen).absolute()
    if os.geteuid() == 0:
        return Path("/var/lib/fakevm/labs")
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state"
    return Path(state) / "fakevm/labs"


def save(record: LabRecord) -> None:
    """Write a lab's record; it holds the broker's password, so it is 0600."""
    files.write(record.directory / RECORD, record.to_json())


def change(record: LabRecord, edit: Callable[[LabRecord], LabRecord]) -> LabRecord:
    """Change a lab's record as it is now: another command may have changed it since this one read it.

    Returns what was written. Raises NotFound, LabFailed when it cannot be read, TimedOut when another is long about it.
    """
    # The lab's own folder is locked for as long as the lab runs.
    with lock.held(record.directory / "hosts", _PATIENCE):
        changed = edit(load(record.directory))
        save(changed)
        return changed


def recorded() -> list[LabRecord]:
    """List the labs that have a record that can be read, whatever their state."""
    return [record for record in map(find, names()) if record]


def find(name: str) -> LabRecord | None:
    """Read a lab's record; None when it was never written or cannot be read: such a lab can only be ended."""
    with contextlib.suppress(FakevmError):
        return load(_folder(name))
    return None


def _folder(name: str) -> Path:
    """Name a lab's folder. Raises NotFound for words that lead out of the folder of all labs."""
    if Path(name).name != name or name == "..":
        raise NotFound(f"there is no lab {name!r}", hint=known())
    return root() / name


def load(directory: Path) -> LabRecord:
    """Read a lab's record. Raises NotFound, Prerequisite when it is another user's, LabFailed when it is damaged."""
    try:
        return LabRecord.from_json((directory / RECORD).read_text())
    except FileNotFoundError as exc:
        raise NotFound(f"there is no lab {directory.name!r}", hint=known()) from exc
    except PermissionError as exc:
        raise not_ours(f"lab {directory.name!r}", directory) from exc
    except (OSError, ValueError) as exc:  # also UnicodeDecodeError
        raise LabFailed(
            f"the record of lab {directory.name!r} cannot be read: {exc}",
            hint=f"Remove the lab: fakevm lab down {directory.name}",
        ) from exc


def not_ours(what: str, path: Path) -> Prerequisite:
    """Give the error that a lab, or the folder of labs, belongs to another user."""
    try:
        owner = f"the user {path.owner()}"
    except (OSError, KeyError):
        owner = "another user"
    hint = "Work as that user; or name a lab of your own, or their folder (FAKEVM_LABS)."
    return Prerequisite(f"{what} is of {owner}: this user may not read {path}", hint=hint)


def save_lab_file(record: LabRecord, lab: LabFile) -> None:
    """Write down what the lab is to be: its file, read, with every default in it."""
    files.write(record.directory / LAB_FILE, lab.model_dump_json(by_alias=True, indent=2))


def lab_file(record: LabRecord) -> LabFile:
    """Read what the lab is to be. Raises LabFailed: it cannot be read."""
    from . import form

    try:
        text = (record.directory / LAB_FILE).read_bytes()
        return form.of(json.loads(text)).model_validate_json(text)
    except FileNotFoundError as exc:
        what = f"lab {record.name!r} is not up yet, or did not come up: its state is {record.state!r}"
        raise LabFailed(what, hint=f"See: fakevm lab status {record.name}") from exc
    except OSError as exc:
        raise LabFailed(f"what lab {record.name!r} is to be cannot be read: {exc.strerror}") from exc
    except ValueError as exc:
        what = f"what lab {record.name!r} is to be cannot be read: another FakeVM wrote it, or it is damaged"
        raise LabFailed(what, hint=f"Start the lab anew: fakevm lab down {record.name}; fakevm lab up FILE") from exc


def runs(record: LabRecord) -> bool:
    """Tell whether the lab's processes are there."""
    return sandbox.runs(record.directory, record.pid)


@contextlib.contextmanager
def living(record: LabRecord) -> Iterator[None]:
    """Work on a lab; whatever that fails of when the lab was ended meanwhile is told as that: LabFailed."""
    try:
        yield
    except (FakevmError, OSError) as problem:
        if runs(record):
            raise
        raise LabFailed(
            f"lab {record.name!r} was ended meanwhile", hint="What it was made of is gone with it."
        ) from problem


@contextlib.contextmanager
def alone(record: LabRecord, doing: str, host: str = "") -> Iterator[None]:
    """Change a lab, or one host of it, as no other command does at the same time; ``doing`` names the command.

    Raises Conflict that says which other does, LabFailed when the lab was ended meanwhile.
    """
    directory = record.host_directory(host) if host else record.directory
    # A host that is not known has no folder: that is told by whoever looks for it.
    claim = lock.alone(directory / "changing", f"{host or record.name}: {doing}")
    with living(record), claim if directory.is_dir() else contextlib.nullcontext():
        yield


def names() -> list[str]:
    """Name all labs that left a folder, also those whose record was never written. Raises Prerequisite."""
    try:
        return sorted(path.name for path in root().iterdir() if path.is_dir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except PermissionError as exc:
        raise not_ours("the folder of labs", root()) from exc


def only() -> str:
    """Name the only lab there is, running or not. Raises NotFound, Ambiguous."""
    found = names()
    if not found:
        raise NotFound("there is no lab")
    if len(found) > 1:
        raise Ambiguous(f"there are several labs: {', '.join(found)}", hint="Name one.")
    return found[0]


def with_logs(name: str | None) -> LabRecord:
    """Find a lab to read the logs of: the one named, else the one that runs, else the only one that failed."""
    if name or running():
        return choose(name) if not name else load(_folder(name))
    return load(root() / only())


def running() -> list[LabRecord]:
    """List the labs whose processes are there."""
    return [record for record in recorded() if runs(record)]


def choose(name: str | None = None) -> LabRecord:
    """Find the lab that is meant: by name, by FAKEVM_LAB, else the only one that runs.

    Raises NotFound, Ambiguous.
    """
    name = name or os.environ.get("FAKEVM_LAB")
    if name:
        record = load(_folder(name))
        if not runs(record):
            raise NotFound(
                f"lab {name!r} does not run any more", hint=f"Remove what is left of it: fakevm lab down {name}"
            )
        return record
    found = running()
    if not found:
        raise NotFound("no lab runs", hint="Start one: fakevm lab up")
    if len(found) > 1:
        raise Ambiguous(
            f"several labs run: {', '.join(record.name for record in found)}",
            hint="Say which one: --lab NAME, or FAKEVM_LAB.",
        )
    return found[0]


def known() -> str:
    """Say which labs there are, for a hint."""
    found = names()
    return f"Labs: {', '.join(found)}." if found else "There are no labs. Start one: fakevm lab up"
