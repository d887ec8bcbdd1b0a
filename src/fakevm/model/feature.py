"""What a lab can offer its guests, so that a backend can say what it does not, and a check what it needs."""

from __future__ import annotations

from typing import Literal, get_args

Feature = Literal[
    "dhcp",
    "dns",
    "security-groups",
    "tunnels",
    "vlan",
    "flat",
    "routers",
    "floating-ips",
    "metadata",
    "qos",
    "dscp",
    "packet-rates",
    "minimum-bandwidth",
    "qos-of-routers",
    "trunks",
    "address-scopes",
    "zones",
    "local-ips",
    "ndp-proxies",
    "conntrack-helpers",
    "metering",
    "packet-logs",
    "live-migration",
]
FEATURES: tuple[Feature, ...] = get_args(Feature)
