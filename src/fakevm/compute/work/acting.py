"""What is done to a server that is there: in a thread, alone, and written down as one of Nova's instance actions."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from fakevm.compute.model.action import Action
from fakevm.compute.model.server import ServerRecord, now
from fakevm.compute.shelves import Shelves
from fakevm.control.agents import Agents
from fakevm.errors import FakevmError

from .building import fail
from .home import at_home
from .noting import end

_log = logging.getLogger(__name__)

#: does it, and gives what of the server's record is another then
Work = Callable[[Agents, ServerRecord], dict[str, Any]]


class Acting:
    """Does things to servers. What fails leaves a server in the state that it was in, or in ERROR."""

    def __init__(self, shelves: Shelves) -> None:
        self._shelves = shelves

    def begin(self, server: ServerRecord, noted: Action, work: Work, *, fatal: bool = False) -> None:
        """Do it in the background, to a server that shows its task; after a ``fatal`` failure that is in ERROR."""
        self._shelves.pool.submit(self._do, server.id, server.task_state, noted, work, fatal)

    def _do(self, server_id: str, task: str | None, noted: Action, work: Work, fatal: bool) -> None:
        with self._shelves.locks[server_id]:
            server = self._shelves.servers.get(server_id)
            if server is None or server.task_state == "deleting":
                return
            problem: Exception | None = None
            changes: dict[str, Any] = {}
            try:
                with self._shelves.reach.agents() as agents:
                    changes = work(agents, at_home(self._shelves, agents, server))
            except FakevmError as raised:
                _log.warning("server %s: %s failed: %s", server_id, noted.action, raised.what)
                problem = raised
            except Exception as raised:
                _log.exception("server %s: %s failed", server_id, noted.action)
                problem = raised
            if problem and fatal:
                fail(self._shelves, server_id, problem)
            else:
                self._change(server_id, task, changes)
            end(self._shelves, noted, problem)

    def _change(self, server_id: str, task: str | None, changes: dict[str, Any]) -> None:
        def edit(known: ServerRecord) -> ServerRecord:
            if known.task_state == "deleting":
                return known
            # Another action may wait already, after one that shows no task.
            idle = {"task_state": None} if known.task_state == task else {}
            return known.model_copy(update={**changes, **idle, "updated": now()})

        self._shelves.servers.change(server_id, edit)
