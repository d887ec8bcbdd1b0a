"""A page of a web server."""

from __future__ import annotations

from fakevm.model.check import Observed

from .base import PATIENCE, Probe, Run, facts, program, unanswered


class HttpProbe(Probe):
    """GETs ``path``; passes when the answer has this status, and its body holds ``contains``."""

    longest = 2 * PATIENCE + 2

    def __init__(self, address: str, port: int, path: str, *, status: int, contains: str) -> None:
        self._address = address
        self._port = port
        self._path = path
        self._status = status
        self._contains = contains

    def command(self) -> list[str]:
        """See Probe."""
        return program("client", "http", self._address, self._port, PATIENCE, self._path)

    def read(self, run: Run) -> Observed:
        """See Probe."""
        found = facts(run)
        if not found["answered"]:
            return unanswered(found["error"])
        if found["status"] != self._status:
            return Observed(verdict="unclear", words=f"status {found['status']}")
        if self._contains not in found["body"]:
            return Observed(verdict="unclear", words=f"{self._contains!r} is not in the page")
        return Observed(verdict="passes", words=f"status {found['status']}")
