"""The names of ports, as far as this command has come across them: so that no error need speak of an id alone.

Most of what may fail knows a port by its id only. What a port is called was told when it was looked up, so it is kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fakevm.model.identity import port_words

_titles: dict[str, tuple[str, str]] = {}


def learn(ports: Iterable[Mapping[str, Any]]) -> None:
    """Remember what ports of Neutron's are called, where that was asked for, too."""
    for port in ports:
        if "name" in port and "device_id" in port:
            _titles[port["id"]] = (port["name"], port["device_id"])


def words(port_id: str) -> str:
    """Name a port in a sentence: ``port ID (NAME)``, or its id alone."""
    return port_words(port_id, *_titles.get(port_id, ("", "")))
