"""Keeps what guests have said on their consoles from filling the disk."""

from __future__ import annotations

import glob
import logging
import threading
import time
from pathlib import Path

from fakevm.guest import console

_log = logging.getLogger(__name__)

# Seconds between two looks: what a guest can write meanwhile is there for a moment.
_PAUSE = 2.0


class Consoles:
    """Shortens long ones, from when it is made on, in the folder where kinds of guests keep what is theirs."""

    def __init__(self, folder: Path) -> None:
        self._files = f"{glob.escape(str(folder))}/*/*/{console.NAME}"
        threading.Thread(target=self._watch, name="consoles", daemon=True).start()

    def _watch(self) -> None:
        while True:
            time.sleep(_PAUSE)
            for file in map(Path, glob.glob(self._files)):  # noqa: PTH207  # Path's fails when a guest goes meanwhile
                try:
                    if console.shorten(file):
                        _log.info("shortened %s: its guest had said much", file)
                except FileNotFoundError:
                    continue
                except OSError as exc:
                    _log.warning("cannot shorten %s: %s", file, exc.strerror or exc)
