"""What Neutron tells Nova of ports of servers: one that was deleted is taken from its server."""

from __future__ import annotations

import logging
import threading
import time

from fakevm.compute.shelves import Shelves
from fakevm.control.attaching import Attaching
from fakevm.errors import FakevmError, NotFound, Unreachable
from fakevm.model.event import Event

_log = logging.getLogger(__name__)
_DELETED = "network-vif-deleted"
# Seconds: of one long poll; until somebody who is away is asked again.
_POLL, _AWAY = 20.0, 1.0


def begin(shelves: Shelves) -> None:
    """Watch in the background, for as long as the process lives."""
    threading.Thread(target=_watch, args=(shelves,), name="events", daemon=True).start()


def _watch(shelves: Shelves) -> None:
    newest: int | None = None
    while True:
        try:
            newest = shelves.reach.events.newest() if newest is None else newest
            events, _lost = shelves.reach.events.follow(newest, _POLL)
        except Unreachable:
            # It comes back, and counts anew then.
            newest = None
            time.sleep(_AWAY)
            continue
        for event in events:
            newest = event.number
            if event.name == _DELETED and shelves.servers.get(event.server_uuid):
                shelves.pool.submit(_take, shelves, event)


def _take(shelves: Shelves, event: Event) -> None:
    """Take the interface of a port that is gone from its server, unless that is being done already."""
    with shelves.locks[event.server_uuid]:
        server = shelves.servers.get(event.server_uuid)
        if server is None or server.task_state or server.vm_state == "building":
            return
        try:
            with shelves.reach.agents() as agents:
                Attaching(shelves.reach.neutron, agents).detach(server.id, event.tag, host=server.host, delete=True)
        except NotFound:
            return
        except FakevmError as problem:
            _log.warning("server %s keeps the interface of port %s: %s", server.id, event.tag, problem.what)
