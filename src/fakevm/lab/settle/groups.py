"""Security groups and QoS policies that Neutron would refuse."""

from __future__ import annotations

from collections.abc import Iterator

from fakevm.model.labfile import LabFile
from fakevm.model.labfile.security import SecurityGroupRule
from fakevm.model.remark import Location, Remark

# neutron_lib.constants.IP_PROTOCOL_MAP (4.x), and `any`.
_PROTOCOLS = (
    "ah", "any", "dccp", "egp", "esp", "gre", "hopopt", "icmp", "icmpv6", "igmp", "ip", "ipip", "ipv6-encap",
    "ipv6-frag", "ipv6-icmp", "ipv6-nonxt", "ipv6-opts", "ipv6-route", "ospf", "pgm", "rsvp", "sctp", "tcp",
    "udp", "udplite", "vrrp",
)  # fmt: skip
# SecurityGroupDbMixin._validate_ethertype_and_protocol (29.0.0).
_IPV6_ONLY = (
    "ipv6-encap", "ipv6-frag", "ipv6-icmp", "icmpv6", "ipv6-nonxt", "ipv6-opts", "ipv6-route", "41", "43",
    "44", "58", "59", "60",
)  # fmt: skip
# The database's integer.
_LARGEST = 2**31 - 1


def wrong(lab: LabFile) -> Iterator[Remark]:
    """Find what Neutron refuses of a lab's security groups and QoS policies."""
    for name, group in lab.security_groups.items():
        at: Location = ("security_groups", name)
        if name == "default":
            yield Remark("every project has a group of this name, which cannot be made: choose another", at)
        for index, rule in enumerate(group.rules):
            yield from _rule(rule, (*at, "rules", index))
    for name, policy in lab.qos_policies.items():
        for index, limit in enumerate(policy.bandwidth_limits):
            if max(limit.rate, limit.burst) > _LARGEST:
                yield Remark(
                    f"Neutron takes {_LARGEST} kbit/s at most", ("qos_policies", name, "bandwidth_limits", index)
                )


def _rule(rule: SecurityGroupRule, at: Location) -> Iterator[Remark]:
    protocol = str(rule.protocol if rule.protocol is not None else "any").lower()
    number = int(protocol) if protocol.isascii() and protocol.isdigit() and len(protocol) < 4 else -1
    if protocol not in _PROTOCOLS and not 0 <= number <= 255:
        known = ", ".join(sorted(_PROTOCOLS))
        yield Remark(f"there is no protocol {protocol!r}. There are: {known}, or 0 to 255", (*at, "protocol"))
    if protocol in _IPV6_ONLY and rule.family == "IPv4":
        yield Remark(f"{protocol} is IPv6's: say ethertype: IPv6", (*at, "protocol"))
