"""A name that is resolved."""

from __future__ import annotations

from fakevm.model.check import Observed

from .base import PATIENCE, Probe, Run, facts, program, unanswered


class DnsProbe(Probe):
    """Resolves ``name`` by ``server`` (empty: what DHCP gave the guest); ``answer``: to this (empty: to anything)."""

    longest = 2 * PATIENCE + 4

    def __init__(self, name: str, server: str, answer: str) -> None:
        self._name = name
        self._server = server
        self._answer = answer

    def command(self) -> list[str]:
        """See Probe."""
        server = [self._server] if self._server else []
        return program("resolver", self._name, PATIENCE, *server, site=True)

    def read(self, run: Run) -> Observed:
        """See Probe."""
        found = facts(run)
        answers = found["answers"]
        if not answers:
            return unanswered(found["error"])
        right = not self._answer or self._answer in answers
        return Observed(verdict="passes" if right else "unclear", words=", ".join(answers))
