"""Where a virtual machine has its files on its host, and how a command gets into it.

The command line imports this module for ``entrance``: nothing heavy may be imported here.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from fakevm.guest.place import runtime_directory

# They find the standard library first, and us.
_PROGRAM = "import sys; sys.path.append(sys.argv.pop(1)); from fakevm.vm import {0}; sys.exit({0}.main(sys.argv[1:]))"
_SOURCES = str(Path(__file__).parents[2])


class Sockets(NamedTuple):
    """What QEMU listens on: the serial console, a shell for FakeVM's commands, two monitors that speak QMP, and the
    line to the guest agent.
    """

    console: Path
    shell: Path
    monitor: Path
    users_monitor: Path
    agent: Path


def directory(namespace: str) -> Path:
    """Name the folder of what there is while a virtual machine runs: short, as sockets' paths must be."""
    return runtime_directory(namespace) / ".vm"


def sockets(namespace: str) -> Sockets:
    """Name the sockets of a virtual machine."""
    folder = directory(namespace) / "sockets"
    return Sockets(*(folder / name for name in ("console", "shell", "qmp", "monitor", "agent")))


def access_file(namespace: str) -> Path:
    """Name the file that says how commands get into a virtual machine; there is none of the tiny one."""
    return directory(namespace) / "access"


def command_in_vm(namespace: str, command: Sequence[str]) -> list[str]:
    """Build the argv that runs a command in a virtual machine, for a caller inside its host."""
    words = [str(directory(namespace) / "sockets"), str(access_file(namespace))]
    return ["setpriv", "--pdeathsig", "TERM", *_program("entering"), *words, *command]


def console_of_vm(namespace: str) -> list[str]:
    """Build the argv that joins a terminal to a virtual machine's serial console, for a caller inside its host."""
    return [*_program("terminal"), str(sockets(namespace).console)]


def _program(module: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", _PROGRAM.format(module), _SOURCES]
