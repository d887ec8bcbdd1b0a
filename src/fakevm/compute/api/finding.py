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


def require_state(server: ServerRecord, action: str, states: tuple[str, ...]) -> None:
    """Make sure that an action may be begun with a server: unlocked, in one of these states, idle. Raises Fault."""
    require_unlocked(server)
    if server.vm_state not in states:
        raise conflict(f"Cannot '{action}' instance {server.id} while it is in vm_state {server.vm_state}")
    if server.task_state:
        raise conflict(f"Cannot '{action}' instance {server.id} while it is in task_state {server.task_state}")
