"""Programs that we run to their end, and processes that we stop."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Collection, Iterable, Sequence

from fakevm import errors


def run(argv: Sequence[str], *, stdin: str = "", timeout: float = 30.0, good: Collection[int] = (0,)) -> str:
    """Run a program to its end and return what it said on standard output.

    :param timeout: seconds after which it is killed
    :param good: the statuses that it may end with
    :raises Prerequisite: there is no such program
    :raises TimedOut: it did not end in time
    :raises CommandFailed: it ended with another status
    """
    try:
        done = subprocess.run(argv, input=stdin, text=True, capture_output=True, timeout=timeout, check=False)
    except FileNotFoundError as exc:
        raise errors.Prerequisite(f"cannot run {argv[0]}: there is no such program", hint="Install it.") from exc
    except subprocess.TimeoutExpired as exc:
        raise errors.TimedOut(f"'{' '.join(argv)}' did not end in {timeout:g} s") from exc
    if done.returncode not in good:
        said = (done.stderr or done.stdout).strip()
        raise errors.CommandFailed(f"'{' '.join(argv)}' ended with status {done.returncode}: {said}")
    return done.stdout


def stop(pids: Iterable[int], *, grace: float = 1.0) -> None:
    """Stop processes and wait until they are gone: SIGTERM, after ``grace`` seconds SIGKILL.

    :raises TimedOut: one of them outlived SIGKILL by five seconds
    """
    with contextlib.ExitStack() as stack:
        waiting: dict[int, int] = {}
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                fd = os.pidfd_open(pid)
                stack.callback(os.close, fd)
                waiting[fd] = pid
        for signum, patience in ((signal.SIGTERM, grace), (signal.SIGKILL, 5.0)):
            _signal(waiting, signum)
            _wait_for_end(waiting, patience)
            if not waiting:
                return
        raise errors.TimedOut(f"processes {sorted(waiting.values())} outlived SIGKILL")


def _signal(waiting: dict[int, int], signum: signal.Signals) -> None:
    for fd in waiting:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(fd, signum)


def _wait_for_end(waiting: dict[int, int], patience: float) -> None:
    """Drop from ``waiting`` (pidfd to pid) what ends within ``patience`` seconds."""
    poller = select.poll()
    for fd in waiting:
        poller.register(fd, select.POLLIN)
    deadline = time.monotonic() + patience
    while waiting and (left := deadline - time.monotonic()) > 0:
        for fd, _ in poller.poll(left * 1000):
            poller.unregister(fd)
            del waiting[fd]
