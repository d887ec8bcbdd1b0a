"""What goes on while the process lives, and what nobody waits for: what fails of it is told in the log."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from fakevm.errors import FakevmError

_log = logging.getLogger(__name__)


def again_and_again(name: str, turn: Callable[[], None], *, pause: float) -> None:
    """Take turns in the background; after one that failed, which is told once, the next comes after a pause."""

    def go_on() -> None:
        last = ""
        while True:
            try:
                turn()
                last = ""
            except Exception as problem:
                if str(problem) != last:
                    _tell(name, problem)
                last = str(problem)
                time.sleep(pause)

    threading.Thread(target=go_on, name=name, daemon=True).start()


def told(what: str, work: Callable[[], None]) -> None:
    """Do what nobody waits for."""
    try:
        work()
    except Exception as problem:
        _tell(what, problem)


def _tell(what: str, problem: Exception) -> None:
    if isinstance(problem, FakevmError):
        _log.warning("%s: %s", what, problem.what)
    else:
        _log.error("%s failed", what, exc_info=problem)
