"""Runs checks side by side, each until it saw what was expected or its time is up."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from fakevm.backend import base as backends
from fakevm.errors import FakevmError, InvalidInput
from fakevm.lab.features import need, reduction
from fakevm.lab.place import Places
from fakevm.model.check import CheckResult, Observed, Status
from fakevm.model.feature import Feature
from fakevm.model.lab import LabRecord
from fakevm.model.labfile import LabFile
from fakevm.model.labfile.check import (
    BandwidthCheck,
    Check,
    DelayCheck,
    DscpCheck,
    LoggedCheck,
    LossCheck,
    MeteredCheck,
    MigrateCheck,
    PacketsCheck,
)
from fakevm.model.labfile.reference import no_such
from fakevm.progress import Progress

from . import faults
from .attempt import Attempts, run_at_source
from .helper import Responders
from .moves import Moves
from .outages import Outages

# Checks at once: most of them wait.
PARALLEL = 8
# Packets of others would disturb these, or be counted and logged as theirs; or a guest is away meanwhile.
_ALONE = BandwidthCheck | LossCheck | DelayCheck | PacketsCheck | MeteredCheck | LoggedCheck | MigrateCheck
# Something of ours is started at their target, too.
_AT_BOTH_ENDS = BandwidthCheck | LossCheck | DelayCheck | DscpCheck | PacketsCheck
# Seconds between two attempts.
_PAUSE = 0.5

# Told the name of a check that begins (None), or what came of it.
Tell = Callable[[str, CheckResult | None], None]
Attempt = Callable[[Check], Observed]


def chosen(lab: LabFile, only: tuple[str, ...]) -> dict[str, Check]:
    """Choose checks of a lab file by name; all of them without ``only``. Raises InvalidInput."""
    for name in only:
        if name not in lab.checks:
            raise InvalidInput(no_such("check", name, list(lab.checks)))
    if not lab.checks:
        raise InvalidInput("the lab file has no checks", hint="See docs/reference/lab-file.md, Checks.")
    return {name: check for name, check in lab.checks.items() if not only or name in only}


def inverted(checks: Mapping[str, Check]) -> dict[str, Check]:
    """Expect the opposite of each: a check that is met either way says nothing."""
    opposite = {"passes": "blocked", "blocked": "passes"}
    return {name: check.model_copy(update={"expect": opposite[check.expect]}) for name, check in checks.items()}


def run(
    record: LabRecord,
    lab: LabFile,
    checks: Mapping[str, Check],
    tell: Tell,
    progress: Progress,
    *,
    settled: Status = "met",
) -> list[CheckResult]:
    """Run checks of ``lab``, each until it is ``settled``; gives their results in the same order.

    Those that need what the lab's backend lacks are skipped. Those that want a fault come last, all of one fault
    together. Raises FakevmError when a fault cannot be made or repaired.
    """
    places = Places(record, lab)
    outages = Outages(places, functools.partial(run_at_source, places))
    given_up = threading.Event()
    results = {result.name: result for result in (*closed(places, checks), *skipped(record.backend, lab, checks))}
    for result in results.values():
        tell(result.name, result)
    rest = {name: check for name, check in checks.items() if name not in results}
    wanted_faults = dict.fromkeys(check.during for check in rest.values())
    faults.refuse_unknown(record, lab, wanted_faults)
    with Responders(places) as responders:
        attempt = Attempts(places, responders, outages, Moves(record, lab, places)).make
        for wanted in sorted(wanted_faults, key=lambda wanted: wanted is not None):
            group = {name: check for name, check in rest.items() if check.during == wanted}
            with outages.watched(group.values()), faults.made(record, lab, wanted, progress):
                work = functools.partial(until, settled, attempt=attempt, given_up=given_up)
                results |= _run_group(group, work, tell, given_up)
    return [results[name] for name in checks]


def closed(places: Places, checks: Mapping[str, Check]) -> list[CheckResult]:
    """Give the results of the checks that run something in a guest into which nobody gets."""
    found = []
    for name, check in checks.items():
        ends = [check.source, *([check.target] if isinstance(check, _AT_BOTH_ENDS) else [])]
        guests = filter(None, map(places.guest_behind, ends))
        if why := next(filter(None, map(places.closed, guests)), ""):
            found.append(ended(name, check, "skipped", why))
    return found


def skipped(backend: str, lab: LabFile, checks: Mapping[str, Check]) -> list[CheckResult]:
    """Give the results of the checks that need what the lab's backend lacks."""
    lacks = backends.load(backend).lacks
    found = []
    for name, check in checks.items():
        if feature := reduction.first(need.of_check(lab, lab.checks.get(name, check)), lacks):
            seen = f"{backend} lacks {feature}: {lacks[feature]}"
            found.append(ended(name, check, "skipped", seen, lacks=feature))
    return found


def _run_group(
    checks: Mapping[str, Check], work: Callable[[str, Check], CheckResult], tell: Tell, given_up: threading.Event
) -> dict[str, CheckResult]:
    """Run checks side by side; last, and one by one, those that others would disturb or that move guests.

    When it is interrupted nothing is attempted again: ``given_up`` is set.
    """

    def one(name: str) -> CheckResult:
        tell(name, None)
        result = work(name, checks[name])
        if not given_up.is_set():
            tell(name, result)
        return result

    alone = [name for name, check in checks.items() if isinstance(check, _ALONE)]
    together = [name for name in checks if name not in alone]
    with ThreadPoolExecutor(PARALLEL) as pool:
        try:
            results = dict(zip(together, pool.map(one, together), strict=True))
        except BaseException:
            given_up.set()
            raise
    return results | {name: one(name) for name in alone}


def until(
    settled: Status, name: str, check: Check, attempt: Attempt, given_up: threading.Event | None = None
) -> CheckResult:
    """Attempt a check until its status is ``settled``, for its time ``within``; at least once.

    What is expected may take its time: it is waited for until it is met. Its opposite is met meanwhile: that is waited
    for until it fails.
    """
    given_up = given_up or threading.Event()
    begin = time.monotonic()
    attempts = 0
    while True:
        attempts += 1
        status, seen = _judged(check, attempt)
        over = time.monotonic() - begin >= check.within
        if status == settled or over or given_up.wait(_PAUSE):
            break
    return ended(name, check, status, seen, seconds=round(time.monotonic() - begin, 2), attempts=attempts)


def ended(
    name: str,
    check: Check,
    status: Status,
    seen: str,
    *,
    seconds: float = 0.0,
    attempts: int = 0,
    lacks: Feature | None = None,
) -> CheckResult:
    """Put the result of a check together."""
    return CheckResult(
        name=name,
        kind=str(getattr(check, "kind", "")),
        source=check.source,
        target=str(getattr(check, "target", "")),
        expect=check.expect,
        status=status,
        seen=seen,
        seconds=seconds,
        attempts=attempts,
        lacks=lacks,
    )


def _judged(check: Check, attempt: Attempt) -> tuple[Status, str]:
    try:
        observed = attempt(check)
    except FakevmError as problem:
        return "error", " ".join(str(problem).split())
    return ("met" if observed.verdict == check.expect else "failed"), observed.words
