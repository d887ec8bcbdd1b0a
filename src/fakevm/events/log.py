"""The events that came, the latest of them kept."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

# As fakevm.model.event.Event is written; not that class itself, since pydantic would double what the receiver holds
# in memory.
Fields = dict[str, Any]

ROOM = 10_000


@dataclass(frozen=True)
class Page:
    """Some events in order; ``lost`` is how many before the first of them were dropped, ``newest`` the last number."""

    events: list[Fields]
    lost: int
    newest: int


class EventLog:
    """Numbers events from 1 and keeps the last ``room`` of them. To be used by many threads."""

    def __init__(self, room: int = ROOM) -> None:
        self._kept: deque[Fields] = deque(maxlen=room)
        self._newest = 0
        self._changed = threading.Condition()

    def add(self, events: Iterable[Mapping[str, str]]) -> None:
        """Keep events that were checked, and wake those who wait for some."""
        with self._changed:
            for event in events:
                self._newest += 1
                self._kept.append(
                    {"number": self._newest, "at": time.time(), "status": "completed", "tag": "", **event}
                )
            self._changed.notify_all()

    def after(self, number: int, *, limit: int, wait: float = 0.0) -> Page:
        """Give the events after ``number``, ``limit`` at most; wait for one, ``wait`` seconds at most."""
        with self._changed:
            self._changed.wait_for(lambda: self._newest > number, wait)
            dropped = self._newest - len(self._kept)
            first = max(number - dropped, 0)
            some = [self._kept[at] for at in range(first, min(first + limit, len(self._kept)))]
            return Page(some, max(dropped - number, 0), self._newest)
