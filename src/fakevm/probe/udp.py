"""A datagram and its answer."""

from __future__ import annotations

from fakevm.model.check import Observed

from .base import PATIENCE, Probe, Run, facts, program, unanswered


class UdpProbe(Probe):
    """Sends a datagram to a port. ``echo``: a responder of ours listens there, so it must come back as it was."""

    longest = PATIENCE + 2

    def __init__(self, address: str, port: int, *, echo: bool) -> None:
        self._address = address
        self._port = port
        self._echo = echo

    def command(self) -> list[str]:
        """See Probe."""
        return program("client", "udp", self._address, self._port, PATIENCE, int(self._echo))

    def read(self, run: Run) -> Observed:
        """See Probe."""
        found = facts(run)
        return Observed(verdict="passes", words="answered") if found["answered"] else unanswered(found["error"])
