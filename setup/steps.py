"""Steps of the set-up: one line each with its time, all output in a log, of which a failure shows the end."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

LOG = Path(__file__).parent.parent / "build" / "setup.log"
# How often a long step says that it is alive (seconds): a terminal's line is rewritten, a log file gets few lines.
_PULSE = 1.0 if sys.stdout.isatty() else 20.0
_WIDTH = 110


def _say(text: str, *, ending: bool = True) -> None:
    if sys.stdout.isatty():
        print(f"\r\033[K{text[:_WIDTH]}" if not ending else f"\r\033[K{text}", end="\n" if ending else "", flush=True)
    else:
        print(text, flush=True)


def _last_line() -> str:
    """What the log ends with, for those who wait."""
    try:
        with LOG.open("rb") as log:
            log.seek(0, 2)
            log.seek(max(0, log.tell() - 2000))
            lines = log.read().decode(errors="replace").replace("\r", "\n").split("\n")
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")[: _WIDTH - 40]


def _pulse(title: str, started: float, ended: threading.Event) -> None:
    while not ended.wait(_PULSE):
        _say(f"  … {title}: {time.monotonic() - started:.0f} s  {_last_line()}", ending=not sys.stdout.isatty())


@contextmanager
def step(title: str) -> Iterator[Callable[[str], None]]:
    """Say what is being done and, at its end, how long it took; gives a function to say what it is about now."""
    started = time.monotonic()
    ended = threading.Event()
    _say(f"  … {title}", ending=not sys.stdout.isatty())
    pulse = threading.Thread(target=_pulse, args=(title, started, ended), daemon=True)
    pulse.start()
    try:
        yield lambda text: _say(f"    {text}")
    except BaseException:
        ended.set()
        pulse.join()
        _say(f"  ✗ {title}: failed after {time.monotonic() - started:.1f} s")
        raise
    ended.set()
    pulse.join()
    _say(f"  ✓ {title}: {time.monotonic() - started:.1f} s")
