"""What is done when the service starts: what another life of it was cut off from."""

from __future__ import annotations

from fakevm.compute.model.migration import MigrationRecord
from fakevm.compute.model.server import ServerRecord, now
from fakevm.compute.shelves import Shelves
from fakevm.errors import FakevmError

from .building import fail
from .ending import Ending
from .noting import end

_CUT = "The compute service was restarted while this was under way."


def go_on(shelves: Shelves) -> None:
    """Finish deletions; a server that was being built is in ERROR, and any other is let go of, as by Nova.

    Moves and actions that were under way have failed.
    """
    for server in shelves.servers.all():
        if server.task_state == "deleting":
            shelves.endings.submit(Ending(shelves).end, server.id)
        elif server.vm_state == "building":
            fail(shelves, server.id, FakevmError(_CUT))
        elif server.task_state:
            shelves.servers.change(server.id, _idle)
    for move in shelves.migrations.all():
        if move.status in ("running", "migrating"):
            shelves.migrations.change(move.uuid, _broken)
    for action in shelves.actions.all():
        if not action.ended:
            end(shelves, action, FakevmError(_CUT))


def _broken(move: MigrationRecord) -> MigrationRecord:
    return move.model_copy(update={"status": "error", "updated": now()})


def _idle(server: ServerRecord) -> ServerRecord:
    return server.model_copy(update={"task_state": None})
