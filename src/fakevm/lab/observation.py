"""A lab as it is seen now."""

from __future__ import annotations

import http.client
from typing import NamedTuple

from fakevm.linux import supervision
from fakevm.model.lab import LabRecord

from . import fault, readiness, registry, trouble
from .programs import Program


class SeenProgram(NamedTuple):
    """A program: where it runs, since when (seconds), how often it died, and its agent's state in Neutron's eyes.

    ``state`` of a host, which is a program of the lab, is one of ``fault.states``. ``problem`` is what is wrong with
    it, ``mend`` the command that mends that.
    """

    host: str
    program: str
    state: str
    seconds: int
    restarts: int
    agent: str
    problem: str = ""
    mend: str = ""


def state(record: LabRecord) -> str:
    """Name the state of a lab; one whose processes are gone is ``dead``, whatever its record says."""
    if record.state != "failed" and not registry.runs(record):
        return "dead"
    return record.state


def programs(record: LabRecord) -> list[SeenProgram]:
    """Look at all programs of a lab."""
    agents, hosts = _agents(record), fault.states(record)
    seen = {
        Program(host, name): status
        for host, directory in record.services().items()
        for name, status in supervision.status(directory).items()
    }
    alive = {(str(a["host"]), str(a["binary"])): "alive" if a["alive"] else "down" for a in agents or ()}
    troubles = trouble.find(record, seen, hosts, agents)
    return [
        SeenProgram(
            program.host,
            program.name,
            (not program.host and hosts.get(program.name)) or ("running" if status.running else "stopped"),
            status.seconds,
            status.deaths,
            alive.get(program, ""),
            *troubles.get(program, ()),
        )
        for program, status in seen.items()
    ]


def _agents(record: LabRecord) -> list[dict[str, object]] | None:
    """Ask Neutron for its agents; None when it does not answer."""
    try:
        return readiness.agents(record)
    except (OSError, http.client.HTTPException):
        return None
