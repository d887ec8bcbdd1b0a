"""The names of ports and guests that this command has come across: so that no error need speak of an id alone.

Most of what may fail knows a port or a guest by its id only. What it is called was told when it was looked up, so it is
kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fakevm.model.guest import GuestSeen
from fakevm.model.identity import called, port_words

_titles: dict[str, tuple[str, str]] = {}
_guests: dict[str, str] = {}


def learn(ports: Iterable[Mapping[str, Any]]) -> None:
    """Remember what ports of Neutron's are called, where that was asked for, too."""
    for port in ports:
        if "name" in port and "device_id" in port:
            _titles[port["id"]] = (port["name"], port["device_id"])


def learn_guests(guests: Iterable[GuestSeen]) -> None:
    """Remember what guests are called, and whose their ports are."""
    for guest in guests:
        if guest.name:
            learn_names({guest.id: guest.name})
        for interface in guest.interfaces:
            if interface.kind == "port":
                _titles.setdefault(interface.attached, (guest.name, guest.id))


def learn_names(names: Mapping[str, str]) -> None:
    """Remember what guests are called, by their ids."""
    _guests.update(names)


def words(port_id: str) -> str:
    """Name a port in a sentence: ``port ID (NAME)``, or its id alone."""
    return port_words(port_id, *_titles.get(port_id, ("", "")))


def guest_words(guest_id: str) -> str:
    """Name a guest in a sentence: ``guest NAME (ID)``, or its id alone."""
    ports = [name for name, instance in _titles.values() if name and instance == guest_id]
    # A lab file's guest gives its own name to its first port, and a longer one to the others.
    name = called(_guests.get(guest_id) or min(ports, key=len, default=""), guest_id)
    return f"guest {guest_id}" if name == guest_id else f"guest {name} ({guest_id})"
