"""Servers go to another host: by the code of ``fakevm migrate``, whose measured outage is kept with the migration."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from fakevm.compute.model.migration import MigrationRecord
from fakevm.compute.model.server import ServerRecord, now
from fakevm.compute.shelves import Shelves
from fakevm.control.agents import Agents
from fakevm.control.binding import bind
from fakevm.control.migration.base import Move
from fakevm.control.migration.cold import ColdMigration
from fakevm.control.migration.live import LiveMigration
from fakevm.control.power import Switch
from fakevm.errors import AgentDown, FakevmError, NotFound
from fakevm.model.migration import MigrationReport

from .building import PATIENCE, make_anew
from .clearing import leave
from .placing import place
from .power import switched


def live(shelves: Shelves, host: str, user: tuple[str, str]) -> Callable[[Agents, ServerRecord], dict[str, Any]]:
    """Give what moves a server that goes on; ``host`` is where to, empty: wherever. ``user``: id and project."""

    def work(agents: Agents, server: ServerRecord) -> dict[str, Any]:
        destination = _destination(shelves, agents, server, host)
        noted = _note(shelves, server, destination, user, kind="live-migration", status="running")
        move = Move(server.id, destination, server.host, timeout=PATIENCE)
        migration = LiveMigration(shelves.reach.neutron, agents, move, events=shelves.reach.events)
        try:
            report = migration.run()
        except FakevmError:
            _end(shelves, noted, "error", migration.report)
            raise
        _end(shelves, noted, "completed", report)
        return {"host": destination}

    return work


def cold(
    shelves: Shelves, host: str, flavor: str, user: tuple[str, str]
) -> Callable[[Agents, ServerRecord], dict[str, Any]]:
    """Give what moves a server, or only changes its flavor where there is one host; it is to be confirmed then."""

    def work(agents: Agents, server: ServerRecord) -> dict[str, Any]:
        kind = "resize" if flavor else "migration"
        destination = server.host if flavor and not host else _destination(shelves, agents, server, host)
        noted = _note(shelves, server, destination, user, kind=kind, status="migrating", flavor=flavor)
        try:
            if destination != server.host:
                _moved(shelves, agents, server, destination)
        except FakevmError:
            _end(shelves, noted, "error", None)
            raise
        _end(shelves, noted, "finished", None)
        changes = {"host": destination, "old_host": server.host, "old_flavor": server.flavor}
        changes["old_state"] = server.vm_state
        return {**changes, "flavor": flavor or server.flavor, "vm_state": "resized"}

    return work


def confirm(shelves: Shelves) -> Callable[[Agents, ServerRecord], dict[str, Any]]:
    """Give what makes a resize or a cold migration final."""

    def work(_agents: Agents, server: ServerRecord) -> dict[str, Any]:
        _settle(shelves, server, "confirmed")
        return {"vm_state": server.old_state, "old_host": "", "old_flavor": ""}

    return work


def revert(shelves: Shelves) -> Callable[[Agents, ServerRecord], dict[str, Any]]:
    """Give what brings a server back to where it was, as it was."""

    def work(agents: Agents, server: ServerRecord) -> dict[str, Any]:
        if server.old_host and server.old_host != server.host:
            _moved(shelves, agents, server, server.old_host)
        _settle(shelves, server, "reverted")
        back = {"host": server.old_host or server.host, "flavor": server.old_flavor or server.flavor}
        return {**back, "vm_state": server.old_state, "old_host": "", "old_flavor": ""}

    return work


def evacuate(
    shelves: Shelves, dead: str, host: str, user: tuple[str, str], *, stopped: bool
) -> Callable[[Agents, ServerRecord], dict[str, Any]]:
    """Give what makes a server of a ``dead`` host anew on another, with its ports, and ``stopped`` in the end.

    What the dead host has of it goes when that is back. One that others had moved away before goes on where it is.
    """

    def work(agents: Agents, server: ServerRecord) -> dict[str, Any]:
        if server.host != dead:
            return {}
        destination = _destination(shelves, agents, server, host)
        noted = _note(shelves, server, destination, user, kind="evacuation", status="accepted")
        there = server.model_copy(update={"host": destination})
        try:
            # First: what is left on the host where a server is nobody clears away.
            shelves.servers.change(server.id, lambda known: known.model_copy(update={"host": destination}))
            _abandon(shelves, agents, server)
            for port in shelves.reach.neutron.ports_of(server.id):
                bind(shelves.reach.neutron, port, destination, server.hostname)
            make_anew(shelves, agents, there, {})
            if stopped:
                switched(shelves.reach.neutron, agents, there, Switch.stop, "stopped")
        except FakevmError:
            _end(shelves, noted, "error", None)
            raise
        _end(shelves, noted, "done", None)
        return {"vm_state": "stopped" if stopped else "active", "fault": None}

    return work


def _abandon(shelves: Shelves, agents: Agents, server: ServerRecord) -> None:
    """Give up the guest on a host that is called dead; one that answers all the same loses it now."""
    leave(shelves, server.host, server.id)
    with suppress(AgentDown, NotFound):
        agents.on(server.host).remove(server.id)


def _moved(shelves: Shelves, agents: Agents, server: ServerRecord, destination: str) -> None:
    move = Move(server.id, destination, server.host, timeout=PATIENCE, probe_from="none")
    ColdMigration(shelves.reach.neutron, agents, move, events=shelves.reach.events).run()


def _destination(shelves: Shelves, agents: Agents, server: ServerRecord, host: str) -> str:
    """Choose where to. ``place`` writes it down: where the server is stays so until it has moved."""
    try:
        return place(shelves, agents, server, only=host, never=(server.host,))
    finally:
        shelves.servers.change(server.id, lambda known: known.model_copy(update={"host": server.host}))


def _note(
    shelves: Shelves,
    server: ServerRecord,
    destination: str,
    user: tuple[str, str],
    *,
    kind: str,
    status: str,
    flavor: str = "",
) -> MigrationRecord:
    time = now()
    noted = MigrationRecord(
        id=max(itertools.chain([0], (known.id for known in shelves.migrations.all()))) + 1,
        uuid=str(uuid.uuid4()),
        server=server.id,
        user_id=user[0],
        project_id=user[1],
        type=kind,
        status=status,
        source=server.host,
        destination=destination,
        created=time,
        updated=time,
        old_flavor=server.flavor,
        new_flavor=flavor or server.flavor,
    )
    shelves.migrations.put(noted.uuid, noted)
    return noted


def _end(shelves: Shelves, noted: MigrationRecord, status: str, report: MigrationReport | None) -> None:
    worst = report.worst if report else None
    outage = round(1000 * worst.longest_gap, 1) if worst else noted.outage_ms
    changes = {"status": status, "updated": now(), "outage_ms": outage}
    shelves.migrations.change(noted.uuid, lambda known: known.model_copy(update=changes))


def _settle(shelves: Shelves, server: ServerRecord, status: str) -> None:
    for known in shelves.migrations.all():
        if known.server == server.id and known.status == "finished":
            _end(shelves, known, status, None)
