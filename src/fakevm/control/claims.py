"""Claims of ports and guests: who changes one has it alone, wherever the others are.

How a claim is made and kept depends on where the agents are reached: ``broker_claims``, ``file_claims``.
"""

from __future__ import annotations

import hashlib
import os
import socket
import threading
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

from fakevm.control.known import guest_words, words
from fakevm.errors import Conflict, Unreachable
from fakevm.progress import SILENT, Progress
from fakevm.waiting import remains

# Seconds.
PAUSE = 0.1
# Of a claim of which it is not said (yet) what it is for.
UNSAID = "another command works on it just now"


class Thing(NamedTuple):
    """What is claimed: the name of its lock, and how it is named in a sentence."""

    lock: str
    words: str


class Claims(ABC):
    """The claims of this command; no claim outlives it, however it ends."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    @contextmanager
    def held(
        self,
        ports: Iterable[str],
        doing: str,
        *,
        guests: Iterable[str] = (),
        patience: float = 0.0,
        progress: Progress = SILENT,
    ) -> Iterator[None]:
        """Have ports and ``guests`` alone for as long as the block lasts; what this command has already it has twice.

        Guests are claimed in the order of their ids: so of two commands that wait for several, one gets all of them.

        ``doing`` says what for, such as "a migration to host2". A guest that another command has is waited for,
        ``patience`` seconds at most: two may give it an interface each. Raises Conflict that says who has one of them,
        what for and since when; Unreachable.
        """
        taken: list[Thing] = []
        wanted = [*((_port(port), 0.0) for port in ports), *((_guest(guest), patience) for guest in sorted(guests))]
        try:
            for thing, seconds in wanted:
                self._take(thing, doing, seconds, progress)
                taken.append(thing)
            yield
        finally:
            with self._lock, suppress(Unreachable):
                for thing in taken:
                    self._release(thing)

    def close(self) -> None:  # noqa: B027 - only some have something to close
        """Give all claims back."""

    @abstractmethod
    def claim(self, thing: Thing, doing: str) -> str:
        """Claim a thing that this command does not have; says who has it, when that is another. Raises Unreachable."""

    @abstractmethod
    def give_back(self, thing: Thing) -> None:
        """End a claim. Raises Unreachable."""

    # -- within ----------------------------------------------------------------------------------------------

    def _take(self, thing: Thing, doing: str, patience: float, progress: Progress) -> None:
        def holder() -> str:
            with self._lock:
                seen = "" if self._counts[thing.lock] else self.claim(thing, doing)
                self._counts[thing.lock] += not seen
            if seen:
                progress.seen(f"waiting: {thing.words}: {seen}")
            return seen

        if seen := remains(holder, patience, pause=PAUSE):
            raise Conflict(f"{thing.words}: {seen}", hint="Wait for that command, or end it; then try again.")

    def _release(self, thing: Thing) -> None:
        self._counts[thing.lock] -= 1
        if not self._counts[thing.lock]:
            self.give_back(thing)


def said(doing: str) -> str:
    """Say what a claim is for, since when, and whose it is."""
    since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
    return f"{doing} is under way since {since} (process {os.getpid()} on {socket.gethostname()})"


def _port(port_id: str) -> Thing:
    return Thing(f"fakevm_claim.{port_id}", words(port_id))


def _guest(guest_id: str) -> Thing:
    # Neutron takes any words for a device_id; a queue's name has 255 bytes, and so has a file's.
    return Thing(f"fakevm_claim.guest.{hashlib.sha256(guest_id.encode()).hexdigest()}", guest_words(guest_id))
