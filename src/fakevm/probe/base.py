"""What all probes of checks have: a command to run at the source, and the reading of what it said.

A probe knows nothing of labs. Whoever runs it starts its ``server`` at the target first, if it has one.
"""

from __future__ import annotations

import json
import sys
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, NamedTuple

from fakevm.errors import CommandFailed
from fakevm.model.check import Observed

PROGRAMS = Path(__file__).parent / "programs"
# Seconds that an answer may take: longer than ARP's first second, and a SYN's first repetition.
PATIENCE = 3.0


class Run(NamedTuple):
    """A program that has ended."""

    status: int
    output: str
    errors: str = ""

    @property
    def last_words(self) -> str:
        """What it said at its end."""
        return (self.errors.strip() or self.output.strip() or "nothing").splitlines()[-1][:200]


class Probe(ABC):
    """One attempt. ``longest`` (seconds) is how long its command may take when all is as slow as it may be."""

    longest: float = 10.0

    @abstractmethod
    def command(self) -> list[str]:
        """Build the argv to run at the source."""

    @abstractmethod
    def read(self, run: Run) -> Observed:
        """Read what the command said. Raises CommandFailed when it could not do its work."""


def program(name: str, *arguments: object, site: bool = False) -> list[str]:
    """Build the argv of one of our own programs; ``site``: it needs more than the standard library."""
    options = ["-I"] if site else ["-I", "-S"]
    return [sys.executable, *options, str(PROGRAMS / f"{name}.py"), *map(str, arguments)]


def facts(run: Run) -> dict[str, Any]:
    """Read the JSON object that is a program's last line. Raises CommandFailed."""
    try:
        found: dict[str, Any] = json.loads(run.output.strip().splitlines()[-1])
        return found
    except (ValueError, IndexError) as exc:
        raise CommandFailed(f"the probe ended with status {run.status}: {run.last_words}") from exc


def unanswered(error: str) -> Observed:
    """Judge an attempt without an answer: one that was refused came through, so it was not blocked."""
    if error in ("timed out", "unreachable"):
        return Observed(verdict="blocked", words="no answer" if error == "timed out" else "unreachable")
    return Observed(verdict="unclear", words=error)
