"""Guests that are left on hosts which were away: they go when their hosts are back, as Nova's compute does it."""

from __future__ import annotations

import logging
import time

from fakevm.compute.model.leftover import Leftover
from fakevm.compute.shelves import Shelves
from fakevm.control.agents import Agents
from fakevm.errors import FakevmError

from .background import again_and_again

_log = logging.getLogger(__name__)
# Seconds between two looks, while there is something to be cleared.
_PAUSE = 5.0


def leave(shelves: Shelves, host: str, guest: str) -> None:
    """Write down that a guest is left on a host."""
    left = Leftover(host=host, guest=guest)
    shelves.leftovers.put(left.id, left)


def begin(shelves: Shelves) -> None:
    """Clear in the background, for as long as the process lives."""

    def turn() -> None:
        time.sleep(_PAUSE)
        if shelves.leftovers.all():
            clear(shelves)

    again_and_again("clearing", turn, pause=_PAUSE)


def clear(shelves: Shelves) -> None:
    """Remove what is left on the hosts that are back. Raises FakevmError: they cannot be asked for."""
    with shelves.reach.agents() as agents:
        alive = set(agents.alive())
        known = set(agents.known()) | set(shelves.reach.compute_hosts())
        for left in shelves.leftovers.all():
            server = shelves.servers.get(left.guest)
            lives = server and server.host == left.host and server.task_state != "deleting"
            if left.host not in known or lives:
                shelves.leftovers.delete(left.id)
            elif left.host in alive:
                _remove(shelves, agents, left)


def _remove(shelves: Shelves, agents: Agents, left: Leftover) -> None:
    """Remove it; where that fails, it is tried again later, and the others do not wait for it."""
    try:
        agents.on(left.host).remove(left.guest)
    except FakevmError as problem:
        _log.info("guest %s stays on %s for now: %s", left.guest, left.host, problem.what)
    else:
        shelves.leftovers.delete(left.id)
        _log.info("guest %s, which was left on %s, is removed", left.guest, left.host)
