"""What is done when the service starts: what another life of it was cut off from."""

from __future__ import annotations

from fakevm.compute.model.server import ServerRecord
from fakevm.compute.shelves import Shelves
from fakevm.errors import FakevmError

from .building import fail
from .ending import Ending

_CUT = "The compute service was restarted while this was under way."


def go_on(shelves: Shelves) -> None:
    """Finish deletions; a server that was being built is in ERROR, and any other is let go of, as by Nova."""
    for server in shelves.servers.all():
        if server.task_state == "deleting":
            shelves.endings.submit(Ending(shelves).end, server.id)
        elif server.vm_state == "building":
            fail(shelves, server.id, FakevmError(_CUT))
        elif server.task_state:
            shelves.servers.change(server.id, _idle)


def _idle(server: ServerRecord) -> ServerRecord:
    return server.model_copy(update={"task_state": None})
