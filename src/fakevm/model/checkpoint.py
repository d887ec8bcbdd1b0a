"""What a checkpoint of a guest holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from .guest import Guest, GuestState
from .interface import Interface, InterfaceSeen
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

    def misfit(self, title: str, interfaces: Iterable[Interface | InterfaceSeen]) -> str:
        """Say in what a guest is another, so that its connections could not go on; empty: they can."""
        had, has = ({one.name: one.mac_address for one in each} for each in (self.interfaces, interfaces))
        return "" if had == has else f"is of a guest with {_words(had)}; {title} has {_words(has)}"


class ProcessesSeen(Value):
    """The trees of processes of a guest, by the names of their roots, and what keeps some from being moved.

    ``unwritable`` says why none of its host's guests of this kind can be written down or go on from that, if so.
    """

    movable: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    unwritable: str = ""


def _words(named: Mapping[str, str]) -> str:
    return ", ".join(f"{name} ({address})" for name, address in named.items()) or "no interface"
