"""Waiting until a port that moved is ACTIVE, and helping Neutron's agent when it was left asleep.

Neutron 29.0.0, ML2/OVS: an agent that looks at the port after the activation, but before the INACTIVE binding is gone
from the source, takes it for one that moves away and skips it (neutron/agent/rpc.py, get_device_details).
Deleting that binding tells no agent, so the port stays DOWN until somebody updates it. See docs/findings.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from fakevm.control.neutron import Neutron
from fakevm.control.watch import ActiveWatch
from fakevm.errors import TimedOut

# Seconds. Neutron's agent looks for news every 2 s and takes some time; who has not come by then was not told.
FIRST_PATIENCE = 5.0
PATIENCE = 10.0


def wait_active(
    neutron: Neutron, port_id: str, host: str, *, timeout: float, nudged: Callable[[], None] | None
) -> None:
    """Wait, ``timeout`` seconds at most, until the port is ACTIVE on the host that its ACTIVE binding names.

    When it does not come, Neutron is asked once more for the binding that it has: Nova's own last call (``PUT
    binding:host_id``), which changes nothing but tells the agent. ``nudged`` is called each time; None: never ask.
    Raises TimedOut, Refused, Unreachable.
    """
    watch = ActiveWatch(neutron)
    deadline = time.monotonic() + timeout
    patience = FIRST_PATIENCE if nudged else timeout
    while True:
        left = deadline - time.monotonic()
        try:
            watch.wait(port_id, min(patience, left))
            return
        except TimedOut:
            if nudged is None or left <= patience:
                raise
        nudged()
        neutron.update_port(port_id, f"bind port {port_id} to {host} once more", binding_host_id=host)
        patience = PATIENCE
