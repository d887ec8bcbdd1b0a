"""Where the guest of a server is: others may have moved it, ``fakevm migrate`` say."""

from __future__ import annotations

from fakevm.compute.model.server import ServerRecord
from fakevm.compute.shelves import Shelves
from fakevm.control.agents import Agents
from fakevm.control.guests import Guests
from fakevm.errors import AgentDown, NotFound


def at_home(shelves: Shelves, agents: Agents, server: ServerRecord) -> ServerRecord:
    """Give a server as it is where its guest is, and write that down; as it was when no host that answers has it.

    To be asked while its lock is held. Raises Ambiguous, Unreachable.
    """
    try:
        agents.on(server.host).show_guest(server.id)
    except (NotFound, AgentDown):
        host = Guests(shelves.reach.neutron, agents).home(server.id)
        if host:
            shelves.servers.change(server.id, lambda known: known.model_copy(update={"host": host}))
            return server.model_copy(update={"host": host})
    return server
