"""A lab as it is seen now."""

from __future__ import annotations

import http.client
from typing import NamedTuple

from fakevm.linux import supervision
from fakevm.model.lab import LabRecord

from . import fault, readiness, registry


class SeenProgram(NamedTuple):
    """A program: where it runs, since when (seconds), how often it died, and its agent's state in Neutron's eyes.

    ``state`` of a host, which is a program of the lab, may be ``cut``: it runs, without a network.
    """

    host: str
    program: str
    state: str
    seconds: int
    restarts: int
    agent: str


def state(record: LabRecord) -> str:
    """Name the state of a lab; one whose processes are gone is ``dead``, whatever its record says."""
    if record.state != "failed" and not registry.runs(record):
        return "dead"
    return record.state


def programs(record: LabRecord) -> list[SeenProgram]:
    """Look at all programs of a lab."""
    alive, hosts = _alive(record), fault.states(record)
    return [
        SeenProgram(
            host,
            name,
            (not host and hosts.get(name)) or ("running" if s.running else "stopped"),
            s.seconds,
            s.deaths,
            alive.get((host, name), ""),
        )
        for host, directory in record.services().items()
        for name, s in supervision.status(directory).items()
    ]


def _alive(record: LabRecord) -> dict[tuple[str, str], str]:
    try:
        found = readiness.agents(record)
    except (OSError, http.client.HTTPException):
        return {}
    return {(str(a["host"]), str(a["binary"])): "alive" if a["alive"] else "down" for a in found}
