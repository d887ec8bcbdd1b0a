"""What a checkpoint of a guest holds."""

from __future__ import annotations

from typing import Literal

from .guest import Guest, GuestState
from .interface import Interface
from .value import Value


class TreeWritten(Value):
    """A tree of processes in a checkpoint.

    ``number`` is its root's, in the guest, ``highest`` the highest that any of its processes and threads has;
    ``daemon`` is which of the guest's daemons it is, if it is one. ``outside`` is what it had open that was not the
    guest's own, by CRIU's name of it: /dev/null, or "log", the daemon's.
    """

    number: int
    highest: int
    name: str
    daemon: str = ""
    outside: dict[str, str] = {}


class Checkpoint(Value):
    """A guest as it was written down: itself, its interfaces, their state, and its processes."""

    form: Literal[1] = 1
    guest: Guest
    interfaces: tuple[Interface, ...] = ()
    state: GuestState
    trees: tuple[TreeWritten, ...] = ()
    machine: str = ""


class ProcessesSeen(Value):
    """The trees of processes of a guest, by the names of their roots, and what keeps some from being moved."""

    movable: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
