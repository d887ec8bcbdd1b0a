"""What a command says."""

from __future__ import annotations

import re

from fakevm.errors import CommandFailed
from fakevm.model.check import Observed

from .base import Probe, Run

# The shell's: found, but cannot be run; not found.
_NOT_RUN = (126, 127)


class CommandProbe(Probe):
    """Runs a shell command; passes when it ends well and says what the regular expression ``shows``."""

    longest = 20.0

    def __init__(self, line: str, shows: str) -> None:
        self._line = line
        self._shows = re.compile(shows, re.MULTILINE)

    def command(self) -> list[str]:
        """See Probe."""
        return ["sh", "-c", self._line]

    def read(self, run: Run) -> Observed:
        """See Probe."""
        if run.status in _NOT_RUN:
            raise CommandFailed(f"{self._line!r} cannot be run: {run.last_words}")
        if run.status:
            return Observed(verdict="blocked", words=f"status {run.status}: {run.last_words}")
        found = self._shows.search(run.output)
        if not found:
            return Observed(verdict="blocked", words=f"does not show {self._shows.pattern!r}")
        return Observed(verdict="passes", words=" ".join(found[0].split())[:120] or "ended well")
