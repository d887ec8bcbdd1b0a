"""What a check found."""

from __future__ import annotations

from enum import StrEnum

from fakevm.model.value import Value


class Status(StrEnum):
    """How it stands with a prerequisite."""

    OK = "ok"
    LIMITED = "limited"
    MISSING = "missing"


class Finding(Value):
    """A prerequisite as it was found.

    ``without_it`` says what its absence switches off, ``remedy`` how to get it. The default lab cannot run
    while a ``required`` one is missing.
    """

    kind: str
    name: str
    status: Status
    detail: str = ""
    without_it: str = ""
    remedy: str = ""
    required: bool = False
