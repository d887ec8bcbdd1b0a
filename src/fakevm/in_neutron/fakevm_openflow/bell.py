"""How threads tell another that there is something new: pure."""

from __future__ import annotations

import threading


class Bell:
    """Rung by any thread, heard by one, which then looks at everything that is new: ten rings may be one."""

    def __init__(self) -> None:
        self._rung = threading.Event()

    def ring(self) -> None:
        """Say that there is something new, which can be seen already."""
        self._rung.set()

    def heard(self, timeout: float) -> bool:
        """Wait for a ring, ``timeout`` seconds at most; every ring is heard, now or the next time."""
        if not self._rung.wait(timeout):
            # Not to be cleared: it may have been rung since.
            return False
        self._rung.clear()
        return True
