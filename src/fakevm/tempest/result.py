"""What came of a test of Tempest's."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

#: ``known``: it failed, as the list of known failures says; ``unlisted``: it passed, and is in that list
Status = Literal["passed", "failed", "skipped", "known", "unlisted"]
#: those that make a run red
RED: tuple[Status, ...] = ("failed", "unlisted")
# Tempest puts a test's attributes behind its name: [id-8d1b…,smoke].
_ATTRIBUTES = re.compile(r"\[[^]]*\]$")
_IDENTITY = re.compile(r"\[.*\bid-([0-9a-f-]{36})")


class TempestResult(NamedTuple):
    """A test that ended: when (seconds since 1970), what was seen of it in a line, and in full.

    ``logs`` are lines of the lab's programs about it.
    """

    test: str
    status: Status
    begin: float
    seconds: float
    seen: str = ""
    detail: str = ""
    logs: str = ""

    @property
    def name(self) -> str:
        """The test, as one writes it."""
        return name_of(self.test)


def name_of(test: str) -> str:
    """Give a test's name without the attributes behind it."""
    return _ATTRIBUTES.sub("", test)


def identity_of(test: str) -> str:
    """Give the id that Tempest's authors gave a test, which stays when it is renamed; empty when it has none."""
    found = _IDENTITY.search(test)
    return found[1] if found else ""


def summary(results: list[TempestResult]) -> str:
    """Count results."""
    names: dict[Status, str] = {
        "passed": "passed",
        "skipped": "skipped",
        "known": "failed as listed",
        "unlisted": "passed although listed",
        "failed": "failed",
    }
    counts = {status: sum(result.status == status for result in results) for status in names}
    return ", ".join(f"{counts[status]} {name}" for status, name in names.items() if counts[status])
