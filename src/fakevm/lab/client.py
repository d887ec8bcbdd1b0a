"""The way into a client of the world outside of a lab that runs."""

from __future__ import annotations

from fakevm.errors import NotFound
from fakevm.model.lab import LabRecord

from . import outside, registry, sandbox


def enter(record: LabRecord, client: str) -> list[str]:
    """Give the words before a command that is to run in a client of a lab that runs.

    Raises NotFound: there is no such client; LabFailed: the outside does not run.
    """
    clients = (
        registry.lab_file(record).outside.clients if any(host.name == outside.NAME for host in record.hosts) else {}
    )
    if client not in clients:
        hint = f"There are: {', '.join(clients)}." if clients else "It is there with an external network that is flat."
        raise NotFound(f"lab {record.name!r} has no client {client!r} in the world outside", hint=hint)
    return [*sandbox.enter_host(record, outside.NAME), *outside.command(client, [])]
