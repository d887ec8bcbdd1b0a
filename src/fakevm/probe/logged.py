"""What packet logs say of a connection: of Neutron's L2 agent, or of ovn-controller."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

Event = Literal["accept", "drop"]

# neutron.services.logapi.drivers.openvswitch.ovs_firewall_log (29.0.0): action=DROP … dst='10.0.0.11' … dst_port=22;
# OVN (lib/acl-log.c): verdict=drop … nw_dst=10.0.0.11 … tp_dst=22.
_EVENTS: Mapping[Event, re.Pattern[str]] = {
    "accept": re.compile(r"action=ACCEPT\b|verdict=allow\b"),
    "drop": re.compile(r"action=DROP\b|verdict=drop\b"),
}


def told(text: str, address: str, port: int, event: Event) -> int:
    """Count the lines of a log that tell of an event of connections to an address and port."""
    to = re.compile(rf"dst='?{re.escape(address)}\b")
    at = re.compile(rf"(?:dst_port|tp_dst)={port}\b")
    lines = (line for line in text.splitlines() if _EVENTS[event].search(line))
    return sum(1 for line in lines if to.search(line) and at.search(line))
