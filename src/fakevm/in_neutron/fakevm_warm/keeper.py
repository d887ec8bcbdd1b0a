"""A warmed process that is kept beyond labs: the warmed processes of labs are forked from it.

It forks no programs itself. What it forks becomes one more process of the lab that asks, below the lab's first process
and in its namespaces, so it ends with the lab, and lives on when this one ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import sys
import time
from pathlib import Path
from typing import NamedTuple, NoReturn

from . import kernel, program, server, shepherd
from .sources import Sources

# Seconds for whoever has come in to say what is wanted.
_PATIENCE = 2.0
# In the place of a request's length: how are you?
STATUS = b"\0\0\0\0"


# How often this process has begun anew, one time soon (seconds) after another.
_ANEW = "FAKEVM_KEPT_ANEW"
_SHORT = 10.0
_OFTEN = 3


def is_strict() -> bool:
    """Tell whether files that are written while they are imported are to be imported anew: not again and again.

    There are modules that write some themselves.
    """
    return _times_anew() < _OFTEN


def _times_anew() -> int:
    return int(os.environ.get(_ANEW, "0"))


class Terms(NamedTuple):
    """How long it stays: ``idle`` seconds after the last request, and no longer than ``owner`` (a pipe) is open."""

    folder: Path
    idle: float
    owner: int | None

    @classmethod
    def read(cls, words: list[str]) -> Terms:
        """Read them as ``fakevm.lab.kept`` writes them: the folder, the seconds, the pipe's number or -."""
        return cls(Path(words[0]), float(words[1]), None if words[2] == "-" else int(words[2]))


class Keeper:
    """What is kept: the door, what was imported, and how often it was asked for."""

    def __init__(self, terms: Terms, listener: socket.socket, sources: Sources, obstacle: str) -> None:
        self._terms, self._listener, self._sources, self._obstacle = terms, listener, sources, obstacle
        self._since, self._last, self._count = time.time(), time.monotonic(), 0

    def serve(self) -> tuple[program.Start, socket.socket]:
        """Fork for each lab that asks; only what was forked returns from here, with its conversation."""
        # The kernel takes away what we fork.
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        while True:
            conversation = self._next()
            wanted = _first_words(conversation)
            if not wanted:
                pass
            elif wanted == STATUS:
                self._tell(conversation)
            elif changed := self._sources.changed():
                shepherd.answer(conversation, f"{changed} has changed since it was imported")
                self._begin_anew()
            elif self._obstacle:
                shepherd.answer(conversation, self._obstacle)
            else:
                self._last, self._count = time.monotonic(), self._count + 1
                if not os.fork():
                    self._listener.close()
                    return _lead(conversation), conversation
            conversation.close()

    def _next(self) -> socket.socket:
        """Wait for somebody of this user; end when nobody comes for long, or the owner has ended."""
        owner = [] if self._terms.owner is None else [self._terms.owner]
        doors = [self._listener.fileno(), *owner]
        while True:
            ready, _, _ = select.select(doors, [], [], max(0.0, self._left()))
            if not ready or set(ready) & set(owner):
                self._end()
            conversation, _ = self._listener.accept()
            if server.is_ours(conversation):
                return conversation
            conversation.close()

    def _left(self) -> float:
        return self._last + self._terms.idle - time.monotonic()

    def _tell(self, conversation: socket.socket) -> None:
        """Say how it is."""
        told = {
            "changed": self._sources.changed(),
            "obstacle": self._obstacle,
            "since": self._since,
            "forked": self._count,
            "left": round(self._left()),
        }
        # Who asked while we imported may have gone.
        with contextlib.suppress(OSError):
            conversation.sendall(f"{json.dumps(told)}\n".encode())

    def _begin_anew(self) -> NoReturn:
        """Import all once more, in this process, so that the next lab is given what is there now."""
        lived = time.time() - self._since
        os.environ[_ANEW] = str(_times_anew() + 1 if lived < _SHORT else 1)
        os.execv(sys.executable, sys.orig_argv)

    def _end(self) -> NoReturn:
        (self._terms.folder / "socket").unlink(missing_ok=True)
        sys.exit(0)


def _first_words(conversation: socket.socket) -> bytes:
    """See what somebody wants; nothing when that was only to see whether there is anybody."""
    conversation.settimeout(_PATIENCE)
    try:
        return conversation.recv(len(STATUS), socket.MSG_PEEK)
    except OSError:
        return b""


def _lead(conversation: socket.socket) -> program.Start:
    """Put a process below the first one of the asking lab; only that returns."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        start = shepherd.hear(conversation)
        if problem := _mistaken(start):
            raise ValueError(problem)
        shepherd.enter(start)
        middle = os.fork()
    except (OSError, ValueError, KeyError) as exc:
        shepherd.answer(conversation, f"cannot fork: {exc}".replace("\n", " "))
        os._exit(1)
    if middle:
        conversation.close()
        os.waitpid(middle, 0)
        os._exit(0)
    # Whoever loses its parent goes to the first process of that parent's PID namespace: ours is not the lab's yet.
    if os.fork():
        os._exit(0)
    # Others of this user, such as the lab's own programs, may look at us again (prctl(2), PR_SET_DUMPABLE).
    kernel.be_visible()
    return start


def _mistaken(start: program.Start) -> str:
    """Say why this is not the process that is asked for; empty when it is."""
    ours = (sys.orig_argv[0], os.environ["PYTHONPATH"])
    asked = (start.argv[0], start.environment.get("PYTHONPATH", ""))
    return "" if ours == asked else f"this is kept for {ours[0]}, not for {asked[0]}"
