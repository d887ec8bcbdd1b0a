"""What is wrong with a lab file, as values: a line each for people, and for editors and CI all parts of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from fakevm.errors import InvalidInput


class Problem(NamedTuple):
    """One thing that is wrong. ``line`` and ``column`` count from 1; None: it is of the file as a whole.

    ``path`` leads to the part of the file (``guests.vm1.ports.0``), ``hint`` says what to do (may be empty).
    """

    file: str
    line: int | None
    column: int | None
    path: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line) if part)
        return ": ".join(filter(None, (place, self.path, self.message))) + (f". {self.hint}" if self.hint else "")


class InvalidFile(InvalidInput):
    """A lab file is wrong; ``problems`` are all that were found. Of what is no lab file at all there is one."""

    def __init__(self, problems: Sequence[Problem], *, title: str = "") -> None:
        super().__init__("\n".join(filter(None, (title, *map(str, problems)))))
        self.problems = tuple(problems)
