"""What a check saw, and whether that was what its author expected."""

from __future__ import annotations

from typing import Literal

from .feature import Feature
from .value import Value

# ``unclear`` is neither: some packets were lost, another host answered, the rate is not the one wanted…
Verdict = Literal["passes", "blocked", "unclear"]
Status = Literal["met", "failed", "error", "skipped"]


class Observed(Value):
    """What one attempt saw, in short and in words."""

    verdict: Verdict
    words: str


class CheckResult(Value):
    """A check that has ended: ``error`` when it could not be run, ``skipped`` when the backend ``lacks`` what it needs.

    ``seconds`` are those of all ``attempts``.
    """

    name: str
    kind: str
    source: str
    target: str = ""
    expect: str
    status: Status
    seen: str
    seconds: float
    attempts: int
    lacks: Feature | None = None
