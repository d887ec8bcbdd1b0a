"""The server that a request is about."""

from __future__ import annotations

from fakevm.compute.model.server import ServerRecord
from fakevm.compute.shelves import Shelves
from fakevm.compute.web import asking
from fakevm.compute.web.faults import conflict, not_found


def find(shelves: Shelves, server_id: str, rule: str, role: str = "member") -> ServerRecord:
    """Find a server that who asks may see; ``rule`` and ``role``: as of ``asking.require``. Raises Fault."""
    asker = asking.require(rule, role)
    server = shelves.servers.get(server_id)
    if server is None or not asker.sees(server.project_id):
        raise not_found(f"Instance {server_id} could not be found.")
    return server


def require_unlocked(server: ServerRecord) -> None:
    """Make sure that a server may be changed by who asks. Raises Fault."""
    if server.locked is not None and not asking.requester().is_admin:
        raise conflict(f"Instance {server.id} is locked")


def occupy(
    shelves: Shelves, server: ServerRecord, action: str, states: tuple[str, ...], task: str | None
) -> ServerRecord:
    """Have a server for an action, if ``require_state`` lets it; ``task`` is shown meanwhile.

    Both are one change of what is written down: of two that ask at once one is refused. Raises Fault.
    """

    def edit(known: ServerRecord) -> ServerRecord:
        require_state(known, action, states)
        return known.model_copy(update={"task_state": task})

    occupied = shelves.servers.change(server.id, edit)
    if occupied is None:
        raise not_found(f"Instance {server.id} could not be found.")
    return occupied


def require_state(server: ServerRecord, action: str, states: tuple[str, ...]) -> None:
    """Make sure that an action may be begun with a server: unlocked, in one of these states, idle. Raises Fault."""
    require_unlocked(server)
    if server.vm_state not in states:
        raise conflict(f"Cannot '{action}' instance {server.id} while it is in vm_state {server.vm_state}")
    if server.task_state:
        raise conflict(f"Cannot '{action}' instance {server.id} while it is in task_state {server.task_state}")
