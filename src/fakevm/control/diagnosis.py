"""Does a port look as if a migration of it had been cut short?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fakevm.control.binding import MIGRATING_TO
from fakevm.control.neutron import Resource
from fakevm.model.port import Vif


def diagnose(port: Resource, bindings: Sequence[Resource], vifs: Mapping[str, Vif]) -> list[str]:
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
    if len(vifs) > 1:
        found.append(f"it is plugged on {' and '.join(sorted(vifs))}")
    found += [f"its guest on {host} is asleep" for host, vif in sorted(vifs.items()) if vif.asleep]
    return found
