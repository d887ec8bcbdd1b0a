"""What Neutron tells Nova of servers: a port that was deleted is taken from its server, a floating IP is told to it."""

from __future__ import annotations

import functools
import logging

from fakevm.compute.shelves import Shelves
from fakevm.control.attaching import Attaching
from fakevm.errors import FakevmError, NotFound
from fakevm.model.event import Event

from . import addresses
from .background import again_and_again, told
from .building import tell
from .home import at_home

_log = logging.getLogger(__name__)
_DELETED, _CHANGED = "network-vif-deleted", "network-changed"
# Seconds: of one long poll; until a receiver that is away is asked again.
_POLL, _AWAY = 20.0, 1.0


def begin(shelves: Shelves) -> None:
    """Watch in the background, for as long as the process lives."""
    again_and_again("events", Watch(shelves).turn, pause=_AWAY)


class Watch:
    """Reads the events that come, and has done what they ask for."""

    def __init__(self, shelves: Shelves) -> None:
        self._shelves = shelves
        self._newest: int | None = None

    def turn(self) -> None:
        """Wait for events a while. Raises FakevmError: they cannot be read; the next turn goes on where this was."""
        events = self._shelves.reach.events
        if self._newest is None:
            self._newest = events.newest()
        # A receiver that was started anew meanwhile is read from its first event on.
        found, _lost = events.follow(self._newest, _POLL)
        for event in found:
            self._newest = event.number
            if self._shelves.servers.get(event.server_uuid) and (work := _WORKS.get(event.name)):
                what = f"{event.name} of server {event.server_uuid}"
                self._shelves.pool.submit(told, what, functools.partial(work, self._shelves, event))


def _take(shelves: Shelves, event: Event) -> None:
    """Take the interface of a port that is gone from its server, unless that is being done already."""
    with shelves.locks[event.server_uuid]:
        # What it is to do next waits for us.
        server = shelves.servers.get(event.server_uuid)
        if server is None or server.task_state == "deleting" or server.vm_state == "building":
            return
        try:
            with shelves.reach.agents() as agents:
                host = at_home(shelves, agents, server).host
                Attaching(shelves.reach.neutron, agents).detach(server.id, event.tag, host=host, delete=True)
        except NotFound:
            return
        except FakevmError as problem:
            _log.warning("server %s keeps the interface of port %s: %s", server.id, event.tag, problem.what)


def _tell(shelves: Shelves, event: Event) -> None:
    """Have a server's metadata tell the floating IP that it has now."""
    # Alone: what is told of a server that is deleted meanwhile nobody would take back.
    with shelves.locks[event.server_uuid]:
        server = shelves.servers.get(event.server_uuid)
        if server is None or server.task_state == "deleting" or server.vm_state == "building":
            return
        try:
            seen = addresses.of(shelves.reach.neutron, [server.id]).get(server.id, addresses.NOTHING)
        except FakevmError as problem:
            _log.warning("server %s is not told of its floating IP: %s", server.id, problem.what)
            return
        if seen.floating != server.floating:
            changed = shelves.servers.change(server.id, lambda s: s.model_copy(update={"floating": seen.floating}))
            if changed:
                tell(shelves, changed)


_WORKS = {_DELETED: _take, _CHANGED: _tell}
