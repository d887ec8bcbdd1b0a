"""A TCP connection."""

from __future__ import annotations

from fakevm.model.check import Observed

from .base import PATIENCE, Probe, Run, facts, program, unanswered


class TcpProbe(Probe):
    """Connects to a port. ``echo``: a responder of ours listens there, so what is sent must come back."""

    longest = 2 * PATIENCE + 2

    def __init__(self, address: str, port: int, *, echo: bool) -> None:
        self._address = address
        self._port = port
        self._echo = echo

    def command(self) -> list[str]:
        """See Probe."""
        return program("client", "tcp", self._address, self._port, PATIENCE, int(self._echo))

    def read(self, run: Run) -> Observed:
        """See Probe."""
        found = facts(run)
        if found["answered"]:
            return Observed(verdict="passes", words="data came back" if self._echo else "connected")
        return unanswered(found["error"])
