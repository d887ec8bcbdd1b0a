"""Waiting for something that can only be looked at again and again."""

from __future__ import annotations

import time
from collections.abc import Callable

from fakevm.errors import FakevmError, TimedOut

PAUSE = 0.1


def nothing() -> None:
    """Require nothing."""


def until(
    check: Callable[[], str],
    what: str,
    timeout: float,
    *,
    pause: float = PAUSE,
    require: Callable[[], None] = nothing,
    error: type[FakevmError] = TimedOut,
    hint: str = "",
) -> None:
    """Wait until ``check`` sees nothing any more that is to be waited for.

    :param check: says what it still sees, or "" when all is as it should be; what it raises ends the wait
    :param what: what did not happen, in the words of an error: "the host did not start"
    :param timeout: seconds; it is looked once more when they are over
    :param pause: seconds between two looks
    :param require: called after each look in vain: raises when what is waited for is gone
    :param error: what is raised when the time is over; it says what was last seen
    """
    if seen := remains(check, timeout, pause=pause, require=require):
        raise error(f"{what} within {timeout:g} s; last seen: {seen}", hint=hint)


def remains(
    check: Callable[[], str], timeout: float, *, pause: float = PAUSE, require: Callable[[], None] = nothing
) -> str:
    """Wait as ``until`` does, and give what was last seen: "" when all is as it should be."""
    deadline = time.monotonic() + timeout
    while seen := check():
        require()
        if (left := deadline - time.monotonic()) <= 0:
            return seen
        time.sleep(min(pause, left))
    return ""
