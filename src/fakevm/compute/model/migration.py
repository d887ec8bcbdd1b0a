"""Moves of servers from host to host, as Nova lists them."""

from __future__ import annotations

from fakevm.model.value import Value


class MigrationRecord(Value):
    """One of them; ``outage_ms`` is the longest that another guest saw its network gone for, None: nobody watched."""

    id: int
    uuid: str
    server: str
    user_id: str
    project_id: str
    type: str
    status: str
    source: str
    destination: str
    created: str
    updated: str
    old_flavor: str = ""
    new_flavor: str = ""
    outage_ms: float | None = None
