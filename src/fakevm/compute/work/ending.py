"""Servers that are deleted: their guests end, their ports go or are nobody's again, they are forgotten."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from contextlib import suppress

from fakevm.compute.model.server import ServerRecord
from fakevm.compute.shelves import Shelves
from fakevm.control.agents import Agents
from fakevm.control.guests import Guests
from fakevm.errors import AgentDown, FakevmError, NotFound
from fakevm.metadata import instance

from . import noting
from .building import PATIENCE, fail, let_go
from .clearing import leave

_log = logging.getLogger(__name__)


class Ending:
    """Deletes servers."""

    def __init__(self, shelves: Shelves) -> None:
        self._shelves = shelves
        self._reach = shelves.reach

    def mark(self, server_id: str) -> None:
        """Write down that a server is to be deleted: from now on nothing else is done to it."""
        self._shelves.servers.change(server_id, lambda known: known.model_copy(update={"task_state": "deleting"}))

    def end(self, server_id: str) -> None:
        """Delete a server that is marked. One that cannot be is in ERROR, and can be deleted again."""
        server = self._shelves.servers.get(server_id)
        if server is None:
            return
        try:
            # What is being made of it, if it is, fails of that, and at once.
            with suppress(FakevmError):
                if server.vm_state == "building":
                    let_go(self._reach.neutron, server)
            with self._shelves.locks[server_id]:
                if server := self._shelves.servers.get(server_id):
                    self._end(server)
        except Exception as problem:
            if isinstance(problem, FakevmError):
                _log.warning("server %s was not deleted: %s", server_id, problem.what)
            else:
                _log.exception("server %s was not deleted", server_id)
            self._shelves.servers.change(server_id, lambda known: known.model_copy(update={"task_state": None}))
            fail(self._shelves, server_id, problem)
        else:
            self._shelves.locks.pop(server_id, None)

    def _end(self, server: ServerRecord) -> None:
        neutron = self._reach.neutron
        with self._reach.agents() as agents:
            ports = {port["id"]: port["binding:host_id"] for port in neutron.ports_of(server.id)}
            with agents.claimed(list(ports), "its deletion", guests=[server.id], patience=PATIENCE):
                gone = [self._remove(agents, server, host) for host in self._hosts(server, ports.values())]
                lost = server.vm_state not in ("building", "error") and not any(gone)
                # Others have moved it: fakevm migrate, say.
                if lost and (host := Guests(neutron, agents).home(server.id)):
                    self._remove(agents, server, host)
                let_go(neutron, server)
        instance.forget(self._reach.folder, server.id)
        self._shelves.servers.delete(server.id)
        noting.forget(self._shelves, server.id)

    def _hosts(self, server: ServerRecord, bound: Iterable[str]) -> list[str]:
        """Name the hosts that may have a server's guest, one that was being moved when the service ended, too."""
        moves = [known for known in self._shelves.migrations.all() if known.server == server.id]
        cut = [host for known in moves if known.status == "error" for host in (known.source, known.destination)]
        return list(dict.fromkeys(filter(None, (server.host, server.old_host, *bound, *cut))))

    def _remove(self, agents: Agents, server: ServerRecord, host: str) -> bool:
        """End the guest on a host; False: it was not there. A host that is down loses it when it is back, as Nova's."""
        try:
            agents.require(host)
            return agents.on(host).remove(server.id)
        except (AgentDown, NotFound) as problem:
            _log.warning("server %s is deleted though its host cannot be asked: %s", server.id, problem.what)
            leave(self._shelves, host, server.id)
            return True
