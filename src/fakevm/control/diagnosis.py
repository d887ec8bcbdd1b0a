"""Does a port look as if a migration of its guest had been cut short?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fakevm.control.binding import MIGRATING_TO
from fakevm.control.neutron import Resource
from fakevm.model.guest import GuestSeen
from fakevm.model.port import Vif


def diagnose(port: Resource, bindings: Sequence[Resource], seen: Mapping[str, Vif | GuestSeen]) -> list[str]:
    """Say what a migration left of itself on a port, in Neutron and on the hosts that hold it; nothing: it is well.

    A migration that is under way looks the same.
    """
    found = [
        f"it has a binding to {binding['host']} that is INACTIVE"
        for binding in bindings
        if binding["status"] != "ACTIVE"
    ]
    if target := (port.get("binding:profile") or {}).get(MIGRATING_TO):
        found.append(f"its profile says migrating_to {target}")
    return found + on_hosts(seen)


def on_hosts(seen: Mapping[str, Vif | GuestSeen]) -> list[str]:
    """Say what a migration left of itself on the hosts that hold a port, or its guest."""
    found = [f"it is plugged on {' and '.join(sorted(seen))}"] if len(seen) > 1 else []
    return found + [f"its guest on {host} is asleep" for host, one in sorted(seen.items()) if one.asleep]
