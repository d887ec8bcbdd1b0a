"""Security groups and QoS policies of a lab file as Neutron's resources."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fakevm.model.labfile import QosPolicyFile, SecurityGroupFile
from fakevm.model.labfile.security import SecurityGroupRule

from .resource import Ref, Resource

# Neutron gives these to every new group: everything may leave.
ALL_EGRESS = tuple(SecurityGroupRule(direction="egress", ethertype=family) for family in ("IPv4", "IPv6"))
_ICMP_OF_IPV6 = {"icmp": "ipv6-icmp", "icmpv6": "ipv6-icmp", "1": "58"}


def security_group(name: str, wanted: SecurityGroupFile) -> Resource:
    """Describe a security group."""
    return Resource(Ref("security group", name), {"stateful": wanted.stateful})


def rules(name: str, wanted: SecurityGroupFile) -> Iterator[Resource]:
    """Describe a group's rules, Neutron's own for egress among them."""
    group = Ref("security group", name)
    for rule in (*(ALL_EGRESS if wanted.all_egress else ()), *wanted.rules):
        attributes = _rule(rule) | {"security_group_id": group}
        yield Resource(Ref("security group rule", f"{name}: {rule_words(attributes)}"), attributes, parent=group)


def _rule(rule: SecurityGroupRule) -> dict[str, Any]:
    low, high = rule.ports or (None, None)
    return {
        "direction": rule.direction,
        "ethertype": rule.family,
        "protocol": _protocol(rule),
        "port_range_min": low,
        "port_range_max": high,
        "remote_ip_prefix": rule.remote,
        "remote_group_id": Ref("security group", rule.remote_group) if rule.remote_group else None,
    }


def _protocol(rule: SecurityGroupRule) -> str | None:
    """Say the protocol as Neutron keeps it (neutron/db/securitygroups_db.py, _make_canonical_ipv6_icmp_protocol)."""
    word = None if rule.protocol is None else str(rule.protocol).lower()
    if word in (None, "any", "-1"):
        return None
    return _ICMP_OF_IPV6.get(word, word) if rule.family == "IPv6" else word


def rule_words(rule: Mapping[str, Any]) -> str:
    """Say what a rule lets pass: two rules that let pass the same have the same words."""
    remote = rule["remote_group_id"]
    words = [rule["direction"], rule["ethertype"], rule["protocol"] or "any"]
    if rule["port_range_min"] is not None:
        words.append(f"{rule['port_range_min']}-{rule['port_range_max']}")
    if rule["remote_ip_prefix"] or remote:
        words.append(rule["remote_ip_prefix"] or str(remote))
    return " ".join(map(str, words))


def qos_policy(name: str) -> Resource:
    """Describe a QoS policy."""
    return Resource(Ref("QoS policy", name), {})


def limits(name: str, wanted: QosPolicyFile) -> Iterator[Resource]:
    """Describe a policy's bandwidth limits."""
    for limit in wanted.bandwidth_limits:
        attributes = {"direction": limit.direction, "max_kbps": round(limit.rate), "max_burst_kbps": limit.burst}
        parent = Ref("QoS policy", name)
        yield Resource(Ref("bandwidth limit", f"{name}: {limit.direction}"), attributes, parent=parent)
