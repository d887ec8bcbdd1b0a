"""A checkpoint is a folder: what was written down of a guest, and a paper that says what that is.

It holds the guest's memory, keys among it, and what is restored of it runs: so it is its owner's alone.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from fakevm import errors
from fakevm.model.checkpoint import Checkpoint

_PAPER = "checkpoint.json"
_OTHERS = stat.S_IWGRP | stat.S_IWOTH


@contextmanager
def written(folder: Path) -> Iterator[Path]:
    """Give a new folder to write to, which gets its name when all is there; else nothing is left.

    Raises Conflict: there is something of that name; PlugFailed: no room, no rights.
    """
    if os.path.lexists(folder):
        raise errors.Conflict(f"cannot write a checkpoint to {folder}: it is there already", hint="Name a new folder.")
    new = folder.with_name(f".{folder.name}.new")
    try:
        shutil.rmtree(new, ignore_errors=True)
        new.parent.mkdir(mode=0o700, exist_ok=True)
        new.mkdir(mode=0o700)
        yield new
        new.rename(folder)
    except OSError as exc:
        raise errors.PlugFailed(
            f"cannot write the checkpoint {folder}: {exc.strerror or exc}",
            hint="The folder that it is to be in must be there.",
        ) from exc
    finally:
        shutil.rmtree(new, ignore_errors=True)


def describe(folder: Path, checkpoint: Checkpoint) -> None:
    """Write the paper. Raises OSError."""
    (folder / _PAPER).write_text(checkpoint.model_dump_json(indent=1))


def read(folder: Path) -> Checkpoint:
    """Read what a folder holds.

    Raises NotFound: no checkpoint; InvalidInput: half of one, or one of another FakeVM; Refused: another user may have
    written it.
    """
    try:
        seen = folder.stat()
    except OSError as exc:
        raise errors.NotFound(f"there is no checkpoint {folder}: {exc.strerror}") from exc
    if seen.st_uid != os.geteuid() or seen.st_mode & _OTHERS:
        raise errors.InvalidInput(
            f"the checkpoint {folder} is another user's, or others can write it: what is in it would run in the guest",
            hint="Take it over only if you trust it: chown and chmod -R go-w.",
        )
    try:
        return Checkpoint.model_validate_json((folder / _PAPER).read_bytes())
    except FileNotFoundError as exc:
        raise errors.NotFound(
            f"{folder} holds no checkpoint, or half of one: it has no {_PAPER}",
            hint="Make it anew: fakevm guest checkpoint",
        ) from exc
    except OSError as exc:
        raise errors.InvalidInput(f"cannot read the checkpoint {folder}: {exc.strerror}") from exc
    except ValidationError as exc:
        raise errors.InvalidInput(
            f"the checkpoint {folder} is not one of this version of FakeVM",
            hint="Make it anew: fakevm guest checkpoint",
        ) from exc


def discard(folder: Path) -> bool:
    """Remove a checkpoint; False when there was none. Raises as ``read``; PlugFailed: something is left."""
    if not folder.exists():
        return False
    read(folder)
    try:
        shutil.rmtree(folder)
    except OSError as exc:
        raise errors.PlugFailed(f"cannot remove the checkpoint {folder}: {exc.strerror}") from exc
    return True
