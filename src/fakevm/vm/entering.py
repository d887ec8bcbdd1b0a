"""Becomes a command in a virtual machine, as far as that goes; standard library only.

Its input, its output, its exit status, and signals are the command's. ``entering.main([SOCKETS, ACCESS, WORD…])``:
the folder of the machine's sockets, and the file that says how one gets into it.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import sys
from pathlib import Path
from typing import Protocol

from . import agent, channel
from .channel import NoAnswerError
from .login import Login

# Seconds between two questions of what the command has said: at first, and at last.
_SOON, _LATE = 0.02, 0.4
_UNREACHABLE = 69  # EX_UNAVAILABLE, sysexits.h
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)


class Asked(Protocol):
    """What can be asked to run a few lines in a machine."""

    def ask(self, script: str, *, timeout: float = ..., booting: float = ...) -> list[str]:
        """See ``channel.Shell``."""


class Command(Protocol):
    """See ``channel.Command``."""

    def start(self, *, fed: bool) -> None: ...
    def feed(self, data: bytes) -> None: ...
    def said(self) -> tuple[bytes, bytes, int | None]: ...
    def signal(self, number: int) -> None: ...
    def forget(self) -> None: ...


def way_in(sockets: Path, access: Path) -> agent.Agent | channel.Shell:
    """Give the way into a machine. Raises NoAnswerError: there is none."""
    try:
        said = json.loads(access.read_text())
    except FileNotFoundError:
        return channel.Shell(str(sockets / "shell"))
    if said["access"] == "agent":
        return agent.Agent(str(sockets / "agent"))
    if said["access"] == "console":
        return channel.Shell(str(sockets / "shell"), Login(str(sockets / "console"), said["user"], said["password"]))
    raise NoAnswerError("there is no way into it: its lab file names none (access)")


def _command(way: agent.Agent | channel.Shell, words: list[str]) -> tuple[Command, bool]:
    """Give a command, and whether it has an input."""
    fed = not _is_nothing(0)
    if isinstance(way, agent.Agent):
        # It would begin when its input ends, which at a terminal nobody expects.
        return agent.Command(way, words), fed and not os.isatty(0)
    return channel.Command(way, words), fed


def _guard(command: Command) -> int:
    """Have a process stay that ends the command when this one is killed; gives what keeps it waiting."""
    read, write = os.pipe()
    if os.fork():
        os.close(read)
        return write
    os.setsid()
    os.close(write)
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    if os.read(read, 1) == b"":
        with contextlib.suppress(NoAnswerError, OSError):
            command.forget()
    os._exit(0)


def _become(command: Command, caught: list[int], *, fed: bool) -> int:
    command.start(fed=fed)
    pause = _SOON
    while True:
        while caught:
            command.signal(caught.pop(0))
        if fed and select.select([0], [], [], 0)[0]:
            data = os.read(0, 1 << 16)
            command.feed(data)
            fed, pause = bool(data), _SOON
        out, err, status = command.said()
        _write(1, out)
        _write(2, err)
        if status is not None:
            return status
        pause = _SOON if out or err else min(pause * 1.5, _LATE)
        with contextlib.suppress(InterruptedError):
            select.select([0] if fed else [], [], [], pause)


def _is_nothing(descriptor: int) -> bool:
    try:
        return os.fstat(descriptor).st_rdev == os.stat(os.devnull).st_rdev  # noqa: PTH116
    except OSError:
        return True


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def main(words: list[str]) -> int:
    """Run a command; gives its exit status."""
    caught: list[int] = []
    for number in _SIGNALS:
        signal.signal(number, lambda signum, _: caught.append(signum))
    try:
        way = way_in(Path(words[0]), Path(words[1]))
        command, fed = _command(way, words[2:])
        guard = _guard(command)
        status = _become(command, caught, fed=fed)
        command.forget()
        os.write(guard, b"done")
        return status
    except BrokenPipeError:
        return 128 + signal.SIGPIPE
    except (NoAnswerError, OSError) as exc:
        print(f"cannot run a command in the virtual machine: {exc}", file=sys.stderr)
        return _UNREACHABLE
