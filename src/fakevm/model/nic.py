"""What a guest's interface is made of."""

from __future__ import annotations

from typing import Literal

# One end of a veth pair, which `ip` shows as eth0@if12; or a port of Open vSwitch's own (type=internal), which it shows
# as eth0, as it does a VM's.
NicKind = Literal["veth", "plain"]
DEFAULT_NIC: NicKind = "veth"
# Of a longer packet that a plain one sends so many bytes arrive, and nobody says so (Open vSwitch 3.1, in user space).
LONGEST_OF_PLAIN = 1500


def why_not_plain(mtu: int, *, hybrid: bool) -> str:
    """Say why an interface cannot be plain; empty when it can.

    :param mtu: in bytes
    :param hybrid: whether a Linux bridge is between it and Open vSwitch
    """
    if mtu > LONGEST_OF_PLAIN:
        return f"a plain nic carries packets of at most {LONGEST_OF_PLAIN} bytes, and the network's MTU is {mtu}"
    if hybrid:
        return "a plain nic is Open vSwitch's own, and the firewall iptables_hybrid has a Linux bridge before that"
    return ""
