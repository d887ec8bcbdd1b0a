"""Checkpoints of a lab's guests: hosts see nothing of the machine that they could write to but the lab's folder."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from fakevm import errors
from fakevm.guest.checkpoint import folder as folders
from fakevm.model.lab import LabRecord

# In a lab's folder, which hosts have as /run/fakevm.
_PLACE = "moving"
_SEEN = Path("/run/fakevm", _PLACE)


@contextmanager
def fetched(lab: LabRecord | None, folder: Path) -> Iterator[tuple[Path, Callable[[], None]]]:
    """Give the path for a host to write a checkpoint to, and what brings it to its folder on the machine.

    Raises Conflict: there is something of that name; InvalidInput: nothing can be there; what is given, PlugFailed: no
    room, no rights.
    """
    if os.path.lexists(folder):
        raise errors.Conflict(f"cannot write a checkpoint to {folder}: it is there already", hint="Name a new folder.")
    if not os.path.isdir(folder.parent):  # noqa: PTH112  # of Path's, some raise where nobody may look
        raise errors.InvalidInput(f"cannot write a checkpoint to {folder}: there is no folder {folder.parent}")
    if lab is None:
        yield folder, lambda: None
        return
    name = secrets.token_hex(8)
    made = lab.directory / _PLACE / name

    def bring() -> None:
        with folders.written(folder) as new:
            shutil.copytree(made, new, symlinks=True, dirs_exist_ok=True)

    try:
        yield _SEEN / name, bring
    finally:
        shutil.rmtree(made, ignore_errors=True)


@contextmanager
def sent(lab: LabRecord | None, folder: Path) -> Iterator[Path]:
    """Give the path at which a host finds a checkpoint of the machine's.

    Raises as ``folder.read``; PlugFailed: no room.
    """
    if lab is None:
        yield folder
        return
    folders.read(folder)
    name = secrets.token_hex(8)
    place = lab.directory / _PLACE / name
    try:
        try:
            place.parent.mkdir(mode=0o700, exist_ok=True)
            shutil.copytree(folder, place, symlinks=True)
            place.chmod(0o700)
        except (OSError, shutil.Error) as exc:
            raise errors.PlugFailed(f"cannot bring the checkpoint {folder} into the lab {lab.name}: {exc}") from exc
        yield _SEEN / name
    finally:
        shutil.rmtree(place, ignore_errors=True)
