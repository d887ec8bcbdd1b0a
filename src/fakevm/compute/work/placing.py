"""On which host a server comes: what Nova's scheduler decides."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from fakevm.compute.model.server import ServerRecord
from fakevm.compute.shelves import Shelves
from fakevm.control.agents import Agents
from fakevm.errors import Conflict
from fakevm.model.series import ordered

#: the one zone that there is
ZONE = "nova"


class NoValidHost(Conflict):
    """There is no host for a server."""

    def __init__(self, why: str = "There are not enough hosts available.") -> None:
        super().__init__(f"No valid host was found. {why}")


def place(
    shelves: Shelves, agents: Agents, server: ServerRecord, *, only: str = "", never: Collection[str] = ()
) -> str:
    """Choose a host for a server, write it down and give it: the one with the fewest servers.

    ``only`` is the one that the user has named, ``never`` are those where it could not be. Raises NoValidHost.
    """
    with shelves.placing:
        usable = [host for host in hosts(shelves, agents) if host not in never and only in ("", host)]
        usable = _of_group(shelves, server, usable)
        if not usable:
            raise NoValidHost
        counts = Counter(other.host for other in shelves.servers.all() if other.id != server.id)
        chosen = min(usable, key=lambda host: counts[host])
        shelves.servers.change(server.id, lambda known: known.model_copy(update={"host": chosen, "zone": ZONE}))
        return chosen


def hosts(shelves: Shelves, agents: Agents) -> list[str]:
    """Name the hosts that take servers: alive, and not disabled."""
    alive = set(agents.alive())
    return [host for host in ordered(shelves.reach.compute_hosts()) if host in alive and _takes(shelves, host)]


def _takes(shelves: Shelves, host: str) -> bool:
    said = shelves.services.get(host)
    return said is None or (said.enabled and not said.forced_down)


def _of_group(shelves: Shelves, server: ServerRecord, usable: list[str]) -> list[str]:
    """Keep the hosts that a server's group leaves it; soft policies prefer some."""
    group = shelves.groups.get(server.group) if server.group else None
    if group is None:
        return usable
    taken = Counter(o.host for o in shelves.servers.all() if o.group == group.id and o.id != server.id and o.host)
    if "anti" in group.policy:
        most = group.rules.get("max_server_per_host", 1)
        fitting = [host for host in usable if taken[host] < most]
    else:
        fitting = [host for host in usable if not taken or taken[host]]
    return fitting or (usable if group.policy.startswith("soft") else [])
