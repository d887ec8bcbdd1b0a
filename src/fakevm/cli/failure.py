"""How a failed command ends: what is printed, and its exit status."""

from __future__ import annotations

import signal
import sys
from types import FrameType
from typing import NoReturn

from fakevm.errors import FakevmError


class Ended(KeyboardInterrupt):
    """A signal asked this program to end; it is cleaned up as after Ctrl-C."""

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.exit_status = 128 + signum


def complain(error: BaseException) -> int:
    """Say on standard error what went wrong, and give the exit status."""
    if isinstance(error, FakevmError):
        print(f"error: {error}", file=sys.stderr)
        return error.exit_status
    print(
        f"error: {type(error).__name__}: {error}\n"
        "This is a fault of FakeVM's own. Please report it with what the same command prints with --debug.",
        file=sys.stderr,
    )
    return 1


def end_tidily_on_signals() -> None:
    """Make SIGTERM and SIGHUP clean up as Ctrl-C does."""

    def end(signum: int, _frame: FrameType | None) -> NoReturn:
        raise Ended(signum)

    for signum in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(signum) is signal.SIG_DFL:
            signal.signal(signum, end)
