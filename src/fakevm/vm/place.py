"""Where a virtual machine has its files on its host, and how a command gets into it.

The command line imports this module for ``entrance``: nothing heavy may be imported here.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from fakevm.guest.place import runtime_directory

_CHANNEL = Path(__file__).parent / "channel.py"


class Sockets(NamedTuple):
    """What QEMU listens on: the serial console, a shell for FakeVM's commands, and two monitors that speak QMP."""

    console: Path
    shell: Path
    monitor: Path
    users_monitor: Path


def directory(namespace: str) -> Path:
    """Name the folder of what there is while a virtual machine runs: short, as sockets' paths must be."""
    return runtime_directory(namespace) / ".vm"


def sockets(namespace: str) -> Sockets:
    """Name the sockets of a virtual machine."""
    folder = directory(namespace) / "sockets"
    return Sockets(folder / "console", folder / "shell", folder / "qmp", folder / "monitor")


def command_in_vm(namespace: str, command: Sequence[str]) -> list[str]:
    """Build the argv that runs a command in a virtual machine, for a caller inside its host."""
    program = [sys.executable, "-I", "-S", str(_CHANNEL), str(sockets(namespace).shell)]
    return ["setpriv", "--pdeathsig", "TERM", *program, *command]


def console_of_vm(namespace: str) -> list[str]:
    """Build the argv that joins a terminal to a virtual machine's serial console, for a caller inside its host."""
    return [sys.executable, "-I", "-S", str(_CHANNEL.with_name("terminal.py")), str(sockets(namespace).console)]
