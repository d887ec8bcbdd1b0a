"""The processes of a guest that moves: whether they go along, how they do, and how they come back."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, get_args

from fakevm.control.agents import Agents
from fakevm.errors import Conflict, InvalidInput, PlugFailed, Prerequisite
from fakevm.model.checkpoint import ProcessesSeen

LOG = logging.getLogger(__name__)

# What becomes of a guest's processes: those that can be moved are, or all must be, or they end where they are.
Fate = Literal["auto", "move", "end"]
FATES = get_args(Fate)
# On hosts of one lab, or of one machine, both see it; others need a folder that they share.
FOLDER = "/run/fakevm/moving"


class Processes:
    """The processes of one guest that moves.

    :param folder: where they are on their way, a folder that both hosts see
    :param seconds: how long it may take to write them down, and to have them run again
    """

    def __init__(self, agents: Agents, guest_id: str, fate: Fate, *, folder: str = FOLDER, seconds: float) -> None:
        self._agents = agents
        self._guest_id = guest_id
        self._fate = fate
        self._folder = f"{folder}/{guest_id}"
        self._seconds = seconds
        self._written = False
        self.move = False
        self.staying: tuple[str, ...] = ()

    def decide(self, source: str, words: str) -> None:
        """See which can go along. Raises Conflict: all are to, and some cannot."""
        if self._fate == "end":
            return
        try:
            seen = self._agents.on(source).processes(self._guest_id)
        except PlugFailed as problem:
            if self._fate == "move":
                raise
            seen = ProcessesSeen(problems=(problem.what,))
        if seen.problems and self._fate == "move":
            raise Conflict(
                f"not all processes of {words} can be moved: {'; '.join(seen.problems)}",
                hint="End those; or let them end where they are: --processes auto, or end.",
            )
        self.move = bool(seen.movable)
        self.staying = seen.problems

    def freeze(self, host: str) -> None:
        """Stop them where they are, and write them down. Raises PlugFailed: they go on."""
        agent = self._agents.on(host)
        self._written = True
        with self._or_end():
            agent.discard(self._folder)
            agent.checkpoint(self._guest_id, self._folder, self._seconds)

    def revive(self, host: str) -> None:
        """Have them run where the guest waits for them, and wake it. Raises PlugFailed, NotFound: it is asleep."""
        with self._or_end():
            self._agents.on(host).restore(self._guest_id, self._folder, self._seconds)

    @contextmanager
    def _or_end(self) -> Iterator[None]:
        """Go on without them where that is allowed: they end where they are, as what cannot be moved does."""
        try:
            yield
        except (PlugFailed, Prerequisite, Conflict, InvalidInput) as problem:
            if self._fate == "move":
                raise
            LOG.warning("its processes end where they are: %s", problem.what)
            self.move = False

    def discard(self, host: str) -> None:
        """Remove what was written down, also when nobody could go on from it."""
        if self._written:
            self._agents.on(host).discard(self._folder)
