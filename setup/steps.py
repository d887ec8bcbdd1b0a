"""Steps of the set-up: one line each with its time, all output in a log, of which a failure shows the end."""

from __future__ import annotations

import shutil
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fakevm.progress import Progress

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


def _end() -> int:
    """Tell how long the log is (bytes)."""
    return LOG.stat().st_size if LOG.exists() else 0


def _last_line(since: int) -> str:
    """What the log ends with, for those who wait; nothing that was there ``since`` before (bytes)."""
    try:
        with LOG.open("rb") as log:
            log.seek(max(since, _end() - 2000))
            lines = log.read().decode(errors="replace").replace("\r", "\n").split("\n")
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")[:100]


class Step(Progress):
    """A step that is being done. It says how far it is, itself or by the end of the log."""

    def __init__(self, title: str) -> None:
        super().__init__()
        self.title = title
        self.started = time.monotonic()
        self._begin = _end()
        self._seen = ""

    @property
    def seconds(self) -> float:
        """How long it has taken until now."""
        return time.monotonic() - self.started

    def note(self, text: str) -> None:
        """Say a detail."""
        _say(textwrap.fill(text, 100, initial_indent="    ", subsequent_indent="    "))

    def seen(self, text: str) -> None:
        """Note how far it is; from now on this is shown, and no more the log."""
        self._seen = text

    def how_far(self) -> str:
        """Say how far it is."""
        return self._seen or _last_line(self._begin)


def _pulse(step: Step, ended: threading.Event) -> None:
    while not ended.wait(_PULSE):
        _show(f"  … {step.title}: {step.seconds:.0f} s  {step.how_far()}")


@contextmanager
def step(title: str) -> Iterator[Step]:
    """Say what is being done and, at its end, how long it took."""
    made = Step(title)
    ended = threading.Event()
    _show(f"  … {title}")
    pulse = threading.Thread(target=_pulse, args=(made, ended), daemon=True)
    pulse.start()
    try:
        yield made
    except BaseException:
        ended.set()
        pulse.join()
        _say(f"  ✗ {title}: failed after {made.seconds:.1f} s")
        raise
    ended.set()
    pulse.join()
    _say(f"  ✓ {title}: {made.seconds:.1f} s")
