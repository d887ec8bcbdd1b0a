"""The guests of a lab on this machine, as its agents have written them down: nobody is asked.

``exec`` and ``ssh`` start with it: nothing heavy may be imported here.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from fakevm.control.lookup import Candidate, find_guest
from fakevm.errors import Ambiguous, Conflict, NotFound
from fakevm.model.identity import called
from fakevm.model.lab import LabRecord


class Entry(NamedTuple):
    """A guest of a host. ``asleep``: it is being moved, from here or to here."""

    id: str
    name: str
    host: str
    kind: str
    state: str
    asleep: bool

    @property
    def title(self) -> str:
        """What people call it."""
        return called(self.name, self.id, self.id)


def entries(lab: LabRecord, host: str | None = None) -> list[Entry]:
    """List the guests of a lab, or of a host of it, by their names; one that moves once, where it is awake."""
    found: dict[str, Entry] = {}
    for where, known in _records(lab, host):
        guest = known["guest"]
        entry = Entry(guest["id"], guest["name"], where, guest["kind"], known["state"], known["asleep"])
        if entry.id not in found or found[entry.id].asleep:
            found[entry.id] = entry
    return sorted(found.values(), key=lambda entry: (entry.title, entry.id))


def choose_guest(lab: LabRecord, words: str, host: str | None) -> tuple[str, str] | None:
    """Find the one guest that is meant, as (host, guest id); None when there is none here.

    One that moves is where it is awake. Raises Ambiguous; Conflict, while it sleeps on both hosts.
    """
    known = list(_called(lab, words, host))
    try:
        port = find_guest(words, [candidate for candidate, _ in known])[0]
    except NotFound:
        return None
    there = [(other.host, asleep) for other, asleep in known if other.port_id == port.port_id]
    awake = [name for name, asleep in there if not asleep]
    if len(there) == 1 or len(awake) == 1:
        return (awake or [port.host])[0], port.guest_id
    hosts = ", ".join(name for name, _ in there)
    if awake:
        raise Ambiguous(f"{port.words} is plugged on {hosts}", hint="Say --host HOST.")
    raise Conflict(f"{port.words} is being moved: it sleeps on {hosts}", hint="Wait for that, or say --host HOST.")


def _called(lab: LabRecord, words: str, host: str | None) -> Iterator[tuple[Candidate, bool]]:
    """List the ports of the guests that may be called so, and whether they are asleep.

    A guest without any is a candidate itself.
    """
    looked_for = json.dumps(words, ensure_ascii=False)[1:-1]
    wanted = {word.encode(errors="surrogateescape") for word in (looked_for, looked_for.lower())}
    for where, known in _records(lab, host, wanted):
        guest = known["guest"]
        attached = [nic["interface"]["attachment"] for nic in known["nics"]]
        ports = [to for to in attached if "network_id" in to]
        for port in ports:
            yield Candidate(port["id"], port["name"], guest["id"], where), known["asleep"]
        if not ports:
            yield Candidate(guest["id"], guest["name"], guest["id"], where), known["asleep"]


def _records(
    lab: LabRecord, host: str | None = None, wanted: Collection[bytes] = ()
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Read the records of guests, and on which hosts they are; those only that have one of the ``wanted`` words.

    There may be a thousand.
    """
    for path in sorted((lab.directory / "hosts").glob("*/agent/guests/*.json")):
        where = path.parts[-4]
        if host in (None, where) and (known := _read(path, wanted)):
            yield where, known


def _read(record: Path, wanted: Collection[bytes]) -> dict[str, Any] | None:
    try:
        text = record.read_bytes()
        if wanted and not any(word in text for word in wanted):
            return None
        known: dict[str, Any] = json.loads(text)
        return known if {"guest", "nics", "state", "asleep"} <= known.keys() else None
    except (OSError, ValueError, AttributeError):
        # Being removed just now.
        return None
