"""A container guest's processes, stopped and written down, and made to run again in another of its kind."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from fakevm import errors
from fakevm.model.checkpoint import TreeWritten

from ..base import Kept, Revival
from ..place import runtime_directory
from . import criu, files, images, program, sockets, trees
from .trees import Tree

# How long (seconds) processes that are killed may take to be gone.
_ENDING = 5.0
_NULL = Path("/dev/null")


def look(namespace: str, daemons: Mapping[str, Kept]) -> list[Tree]:
    """Find the trees of processes of a guest."""
    return trees.find(namespace, {kept.pid: str(kept.log) for kept in daemons.values()})


def missing() -> str:
    """Say what is needed to move processes, and is not there."""
    try:
        program.find()
    except errors.FakevmError as exc:
        return f"{exc.what}. {exc.hint}"
    return ""


def freeze(
    namespace: str, place: Path, folder: Path, daemons: Mapping[str, Kept], seconds: float
) -> tuple[TreeWritten, ...]:
    """See Kind. ``place`` is where the container has its files. Raises FakevmError, OSError: they go on."""
    deadline = time.monotonic() + seconds
    found = [tree for tree in look(namespace, daemons) if not tree.problems]
    tool = program.find() if found else None
    _frozen(namespace).write_text(json.dumps([number for tree in found for number in tree.running]))
    try:
        for tree in found:
            assert tool
            written = folder / _images(tree.number)
            written.mkdir(mode=0o700)
            left = deadline - time.monotonic()
            criu.dump(tool, namespace, tree.number, written, outside=list(tree.outside), seconds=left)
            images.let_outlive_parents(written)
        files.pack(namespace, place, folder, seconds=deadline - time.monotonic())
    except BaseException:
        thaw(namespace)
        raise
    names = {kept.pid: name for name, kept in daemons.items()}
    return tuple(
        TreeWritten(
            number=tree.number,
            highest=tree.highest,
            name=tree.name,
            daemon=names.get(tree.keeper, ""),
            outside=dict(tree.outside),
        )
        for tree in found
    )


def thaw(namespace: str) -> None:
    """See Kind. What CRIU stopped, and nothing that was stopped before."""
    try:
        stopped = json.loads(_frozen(namespace).read_text())
    except (OSError, ValueError):
        return
    pids = trees.numbers(namespace)
    for number in stopped:
        if number in pids:
            sockets.let_go_on(pids[number])
            with contextlib.suppress(ProcessLookupError):
                os.kill(pids[number], signal.SIGCONT)
    _frozen(namespace).unlink()


def end_frozen(namespace: str) -> None:
    """End what is stopped, which has gone on elsewhere: it would not end by itself."""
    if _frozen(namespace).exists():
        _end_all(namespace)
        _frozen(namespace).unlink()


def revive(namespace: str, folder: Path, written: Sequence[TreeWritten], revival: Revival) -> dict[str, int]:
    """See Kind. Raises FakevmError, OSError."""
    deadline = time.monotonic() + revival.seconds
    tool = program.find() if written else None
    files.unpack(namespace, folder, seconds=deadline - time.monotonic())
    highest = max((tree.highest for tree in written), default=0)
    try:
        for tree in written:
            assert tool
            # A connection of a tree that is not there yet would be refused.
            then: Callable[[], None] = revival.wake if tree is written[-1] else _nothing
            with contextlib.ExitStack() as stack:
                given = {name: _opened(what, tree, revival, stack) for name, what in tree.outside.items()}
                left = deadline - time.monotonic()
                place = folder / _images(tree.number)
                criu.restore(tool, namespace, place, given=given, above=highest, then=then, seconds=left)
    except BaseException:
        _end_all(namespace)
        raise
    if not written:
        revival.wake()
    pids = trees.numbers(namespace)
    return {tree.daemon: pids[tree.number] for tree in written if tree.daemon and tree.number in pids}


def _opened(what: str, tree: TreeWritten, revival: Revival, stack: contextlib.ExitStack) -> int:
    path = revival.logs.get(tree.daemon, _NULL) if what == "log" else _NULL
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
    stack.callback(os.close, descriptor)
    return descriptor


def _end_all(namespace: str) -> None:
    for number, pid in trees.numbers(namespace).items():
        if number != 1:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    # Their numbers are free when the first process has taken note of it.
    deadline = time.monotonic() + _ENDING
    while time.monotonic() < deadline and len(trees.there(namespace)) > 1:
        time.sleep(0.01)


def _frozen(namespace: str) -> Path:
    """Where it is written down, as the guest numbers them, which processes were stopped."""
    return runtime_directory(namespace) / ".frozen"


def _images(number: int) -> str:
    return f"tree-{number}"


def _nothing() -> None:
    """Do nothing yet: there is more to come."""
