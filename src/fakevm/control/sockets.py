"""The agents of a lab without Neutron: each listens at a socket in its host's folder, where it is asked whether it is
alive, too.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from fakevm.control.file_claims import FileClaims
from fakevm.model.lab import LabRecord
from fakevm.rpc import socket
from fakevm.rpc.contract import AGENT_BINARY, AGENT_TYPE
from fakevm.rpc.line import NoAnswer

# Seconds; an agent that works lets us in within milliseconds, one that is very busy within a second.
_PATIENCE = 5.0
_PARALLEL = 8


class Sockets:
    """A way to the agents of a lab; see Broker."""

    def __init__(self, lab: LabRecord) -> None:
        self._lab = lab
        self.claims = FileClaims(lab.directory / "claims")

    def call(self, host: str, verb: str, arguments: Mapping[str, Any], timeout: float, silence: float) -> Any:
        """See Broker."""
        if host not in [known.name for known in self._lab.hosts]:
            raise NoAnswer("is not there")
        return socket.call(self._lab.agent_socket(host), verb, arguments, timeout, silence)

    def check(self) -> None:
        """See Broker: there is nothing between us and an agent."""

    def close(self) -> None:
        """See Broker."""


def agents(lab: LabRecord, *hosts: str) -> list[dict[str, Any]]:
    """Ask the agents of some hosts, or of all, what they are; it is told as Neutron tells it of its agents.

    ``problem`` says what keeps one from answering.
    """
    wanted = hosts or tuple(host.name for host in lab.hosts if AGENT_BINARY in host.agents)
    if len(wanted) == 1:
        return [_look(lab, wanted[0])]
    with ThreadPoolExecutor(_PARALLEL) as pool:
        return list(pool.map(lambda host: _look(lab, host), wanted))


def _look(lab: LabRecord, host: str) -> dict[str, Any]:
    about, problem = {}, ""
    try:
        about = dict(socket.greet(lab.agent_socket(host), _PATIENCE))
    except NoAnswer as exc:
        problem = str(exc)
    now = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
    return {
        "host": host,
        "binary": AGENT_BINARY,
        "agent_type": AGENT_TYPE,
        "alive": not problem,
        "heartbeat_timestamp": "" if problem else now,
        "configurations": about,
        "problem": problem,
    }
