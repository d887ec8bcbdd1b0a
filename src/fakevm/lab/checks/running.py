"""Runs checks side by side, each until it saw what was expected or its time is up."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from fakevm.errors import FakevmError, InvalidInput
from fakevm.model.check import CheckResult, Observed, Status
from fakevm.model.lab import LabRecord
from fakevm.model.labfile import LabFile
from fakevm.model.labfile.check import BandwidthCheck, Check
from fakevm.model.labfile.reference import suggestion

from .attempt import Attempts
from .helper import Responders
from .place import Places

# Checks at once: most of them wait.
PARALLEL = 8
# Seconds between two attempts.
_PAUSE = 0.5

# Told the name of a check that begins (None), or what came of it.
Tell = Callable[[str, CheckResult | None], None]
Attempt = Callable[[Check], Observed]


def chosen(lab: LabFile, only: tuple[str, ...]) -> dict[str, Check]:
    """Choose checks of a lab file by name; all of them without ``only``. Raises InvalidInput."""
    for name in only:
        if name not in lab.checks:
            raise InvalidInput(f"there is no check {name!r}. {suggestion(name, list(lab.checks))}")
    if not lab.checks:
        raise InvalidInput("the lab file has no checks", hint="See docs/reference/lab-file.md, Checks.")
    return {name: check for name, check in lab.checks.items() if not only or name in only}


def inverted(checks: Mapping[str, Check]) -> dict[str, Check]:
    """Expect the opposite of each: a check that is met either way says nothing."""
    opposite = {"passes": "blocked", "blocked": "passes"}
    # Without the time for which the right answer was waited: there is nothing to wait for.
    return {
        name: check.model_copy(update={"expect": opposite[check.expect], "within": 0.0})
        for name, check in checks.items()
    }


def run(record: LabRecord, lab: LabFile, checks: Mapping[str, Check], tell: Tell) -> list[CheckResult]:
    """Run checks of ``lab``; gives their results in the same order.

    What measures throughput runs when all others have ended, one after the other.
    """
    places = Places(record, lab)
    with Responders(places) as responders:
        attempts = Attempts(places, responders)

        def one(name: str) -> CheckResult:
            tell(name, None)
            result = until_met(name, checks[name], attempts.make)
            tell(name, result)
            return result

        alone = [name for name, check in checks.items() if isinstance(check, BandwidthCheck)]
        with ThreadPoolExecutor(PARALLEL) as pool:
            together = [name for name in checks if name not in alone]
            results = dict(zip(together, pool.map(one, together), strict=True))
        results |= {name: one(name) for name in alone}
    return [results[name] for name in checks]


def until_met(name: str, check: Check, attempt: Attempt) -> CheckResult:
    """Attempt a check until it is met, for its time ``within``; at least once."""
    begin = time.monotonic()
    attempts = 0
    while True:
        attempts += 1
        status, seen = _judged(check, attempt)
        over = time.monotonic() - begin >= check.within
        if status == "met" or over:
            break
        time.sleep(_PAUSE)
    return CheckResult(
        name=name,
        kind=str(getattr(check, "kind", "")),
        source=check.source,
        target=str(getattr(check, "target", "")),
        expect=check.expect,
        status=status,
        seen=seen,
        seconds=round(time.monotonic() - begin, 2),
        attempts=attempts,
    )


def _judged(check: Check, attempt: Attempt) -> tuple[Status, str]:
    try:
        observed = attempt(check)
    except FakevmError as problem:
        return "error", " ".join(str(problem).split())
    return ("met" if observed.verdict == check.expect else "failed"), observed.words
