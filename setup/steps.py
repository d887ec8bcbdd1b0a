"""Steps of the set-up: one line each with its time, all output in a log, of which a failure shows the end."""

from __future__ import annotations

import shutil
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

LOG = Path(__file__).parent.parent / "build" / "setup.log"
_LIVE = sys.stdout.isatty()
# How often a long step says that it is alive (seconds): a terminal's line is rewritten, a log gets few lines.
_PULSE = 1.0 if _LIVE else 20.0


def _say(text: str) -> None:
    """Say what stays."""
    print(f"\r\033[K{text}" if _LIVE else text, flush=True)


def _show(text: str) -> None:
    """Say what is so just now: on a terminal the next words take its place."""
    if _LIVE:
        print(f"\r\033[K{text[: shutil.get_terminal_size().columns - 1]}", end="", flush=True)
    else:
        _say(text)


def _last_line() -> str:
    """What the log ends with, for those who wait."""
    try:
        with LOG.open("rb") as log:
            log.seek(0, 2)
            log.seek(max(0, log.tell() - 2000))
            lines = log.read().decode(errors="replace").replace("\r", "\n").split("\n")
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")[:100]


def _pulse(title: str, started: float, ended: threading.Event) -> None:
    while not ended.wait(_PULSE):
        _show(f"  … {title}: {time.monotonic() - started:.0f} s  {_last_line()}")


@contextmanager
def step(title: str) -> Iterator[Callable[[str], None]]:
    """Say what is being done and, at its end, how long it took; gives a function that tells details."""
    started = time.monotonic()
    ended = threading.Event()
    _show(f"  … {title}")
    pulse = threading.Thread(target=_pulse, args=(title, started, ended), daemon=True)
    pulse.start()
    try:
        yield lambda text: _say(textwrap.fill(text, 100, initial_indent="    ", subsequent_indent="    "))
    except BaseException:
        ended.set()
        pulse.join()
        _say(f"  ✗ {title}: failed after {time.monotonic() - started:.1f} s")
        raise
    ended.set()
    pulse.join()
    _say(f"  ✓ {title}: {time.monotonic() - started:.1f} s")
