"""Security groups and their rules."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, model_validator

from fakevm.model.feature import Feature
from fakevm.model.remark import Remark
from fakevm.model.resource import Kind, Naming, Ref, Resource, Seen
from fakevm.model.value import Value

from .address_group import GROUP as ADDRESSES
from .address_group import AddressGroupRef
from .reference import SecurityGroupRef
from .resource import ResourceFile
from .sharing import SHARED_WITH, SharedWith, shared
from .word import Cidr, PortNumber

Direction = Literal["ingress", "egress"]
EtherType = Literal["IPv4", "IPv6"]

_WITH_PORTS = ("tcp", "udp", "sctp", "dccp", "udplite")
_ICMP_OF_IPV6 = {"icmp": "ipv6-icmp", "icmpv6": "ipv6-icmp", "1": "58"}
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
# What a rule may be for at the other end.
_REMOTES = {"remote_group_id": "security group", "remote_address_group_id": ADDRESSES.name}


def rule_words(rule: Seen) -> str:
    """Say what a rule lets pass: two rules that let pass the same have the same words."""
    words = [rule["direction"], rule["ethertype"], rule["protocol"] or "any"]
    if rule["port_range_min"] is not None:
        words.append(f"{rule['port_range_min']}-{rule['port_range_max']}")
    words += [rule[key] for key in ("remote_ip_prefix", *_REMOTES) if rule.get(key)]
    return " ".join(map(str, words))


def _rules(name: str, group: Seen, naming: Naming) -> Iterator[tuple[Ref, Seen]]:
    for rule in group["security_group_rules"]:
        remotes = {key: naming(kind, rule[key]) for key, kind in _REMOTES.items() if rule.get(key)}
        yield Ref(RULE.name, f"{name}: {rule_words({**rule, **remotes})}"), rule


GROUP = Kind(
    "security group",
    "security groups",
    "/security-groups",
    "security_group",
    given=("default",),
    parts=_rules,
    compared=("stateful",),
    is_neutrons=lambda seen: bool(seen["name"] == "default"),
    used_until_changed=True,
)
RULE = Kind(
    "security group rule",
    "security group rules",
    "/security-group-rules",
    "security_group_rule",
    label="",
    part_of="security group",
    used_until_changed=True,
    goes_along=True,
    # Of one group alone (SecurityGroupNotSingleGroupRules, 29.0.0).
    in_one_request=True,
)


def _range(given: Any) -> Any:
    """Make a range of one port, or of ``80-90``."""
    if isinstance(given, int) and not isinstance(given, bool):
        return (given, given)
    if isinstance(given, str):
        if not re.fullmatch(r"[0-9]{1,9}-[0-9]{1,9}", given):
            raise ValueError("expected a port such as 80, or a range such as 80-90")
        return tuple(map(int, given.split("-")))
    return given


def _protocol(given: Any) -> Any:
    is_number = isinstance(given, int) and not isinstance(given, bool) and 0 <= given <= 255
    if not is_number and not (isinstance(given, str) and given):
        raise ValueError("expected a protocol: a word such as tcp, or a number from 0 to 255")
    return given


Protocol = Annotated[str | int, BeforeValidator(_protocol, json_schema_input_type=str | int)]


PortRange = Annotated[
    tuple[PortNumber, PortNumber],
    BeforeValidator(_range, json_schema_input_type=int | str | tuple[PortNumber, PortNumber]),
]


class SecurityGroupRule(Value):
    """What may pass. ``ports``: one, first-last or a pair; the other end is a network, a group, or an address group."""

    direction: Direction = Field(
        default="ingress", description="What the rule is for: what comes to the guest, or what leaves it."
    )
    ethertype: EtherType | None = Field(
        default=None, description="`IPv4` or `IPv6`; by default as `remote` is, else IPv4."
    )
    protocol: Protocol | None = Field(
        default=None, description="A name (`tcp`, `udp`, `icmp`…) or a number; by default any."
    )
    ports: PortRange | None = Field(
        default=None,
        description="A port (80), a range (`80-90`) or a pair, of tcp, udp, sctp, dccp or udplite; by default all.",
    )
    remote: Cidr | None = Field(default=None, description="The network at the other end, in CIDR form; by default any.")
    remote_group: SecurityGroupRef | None = Field(
        default=None, description="The security group of the other end, in the place of `remote`."
    )
    remote_address_group: AddressGroupRef | None = Field(
        default=None, description="The address group that the other end is in, in the place of `remote`."
    )

    @property
    def family(self) -> EtherType:
        """The EtherType, which the remote network tells when nothing else does."""
        if self.ethertype:
            return self.ethertype
        return "IPv6" if self.remote and ipaddress.ip_network(self.remote).version == 6 else "IPv4"

    @model_validator(mode="after")
    def _fits(self) -> SecurityGroupRule:
        if self.ports and self.protocol not in _WITH_PORTS:
            raise ValueError(f"ports need a protocol that has them: {', '.join(_WITH_PORTS)}")
        if self.ports and self.ports[0] > self.ports[1]:
            raise ValueError("the first port must not be above the last")
        if sum(map(bool, (self.remote, self.remote_group, self.remote_address_group))) > 1:
            raise ValueError("give one of remote, remote_group and remote_address_group")
        if self.remote and self.ethertype and self.ethertype[-1] != str(ipaddress.ip_network(self.remote).version):
            raise ValueError(f"{self.remote} is not {self.ethertype}")
        return self

    def attributes(self) -> dict[str, Any]:
        """Describe the rule to Neutron, but for its group."""
        low, high = self.ports or (None, None)
        return {
            "direction": self.direction,
            "ethertype": self.family,
            "protocol": self._canonical_protocol(),
            "port_range_min": low,
            "port_range_max": high,
            "remote_ip_prefix": self.remote,
            "remote_group_id": Ref(GROUP.name, self.remote_group) if self.remote_group else None,
            # Said only when wished for: it is an extension of the API.
            **({"remote_address_group_id": Ref(ADDRESSES.name, group)} if (group := self.remote_address_group) else {}),
        }

    def _canonical_protocol(self) -> str | None:
        """Say it as Neutron keeps it (neutron/db/securitygroups_db.py, _make_canonical_ipv6_icmp_protocol)."""
        word = None if self.protocol is None else str(self.protocol).lower()
        if word in (None, "any", "-1"):
            return None
        return _ICMP_OF_IPV6.get(word, word) if self.family == "IPv6" else word

    def wrong(self) -> Iterator[Remark]:
        """Find protocols that Neutron does not know, or not in this family."""
        protocol = str(self.protocol if self.protocol is not None else "any").lower()
        number = int(protocol) if protocol.isascii() and protocol.isdigit() and len(protocol) < 4 else -1
        if protocol not in _PROTOCOLS and not 0 <= number <= 255:
            known = ", ".join(sorted(_PROTOCOLS))
            yield Remark(f"there is no protocol {protocol!r}. There are: {known}, or 0 to 255", ("protocol",))
        if protocol in _IPV6_ONLY and self.family == "IPv4":
            yield Remark(f"{protocol} is IPv6's: say ethertype: IPv6", ("protocol",))


# Neutron gives these to every new group: everything may leave.
ALL_EGRESS = tuple(SecurityGroupRule(direction="egress", ethertype=family) for family in ("IPv4", "IPv6"))


class SecurityGroupFile(ResourceFile):
    """A security group. ``all_egress`` keeps Neutron's own two rules, which let everything out."""

    kinds: ClassVar[tuple[Kind, ...]] = (GROUP, RULE)
    features: ClassVar[tuple[Feature, ...]] = ("security-groups",)

    rules: tuple[SecurityGroupRule, ...] = Field(
        default=(),
        description="What may pass: `direction` (`ingress`), `ethertype` (`IPv4`, or as `remote` is), `protocol`, "
        "`ports` (80, `80-90`), `remote` (CIDR), `remote_group` or `remote_address_group`.",
    )
    all_egress: bool = Field(
        default=True, description="Keep the two rules of every new group, which let everything out."
    )
    stateful: bool = Field(default=True, description="Whether answers to what may pass may pass, too.")
    shared_with: SharedWith = SHARED_WITH

    def described(self, name: str, lab: Any) -> Iterator[Resource]:
        """Describe the group and its rules, Neutron's own for egress among them."""
        group = Ref(GROUP.name, name)
        yield Resource(group, {"stateful": self.stateful})
        for rule in (*(ALL_EGRESS if self.all_egress else ()), *self.rules):
            attributes = rule.attributes() | {"security_group_id": group}
            yield Resource(Ref(RULE.name, f"{name}: {rule_words(attributes)}"), attributes, parent=group)
        yield from shared(group, self.shared_with)

    def wrong(self, name: str) -> Iterator[Remark]:
        """Find rules that Neutron would refuse, and a group that is there already."""
        if name in GROUP.given:
            yield Remark("every project has a group of this name, which cannot be made: choose another")
        for index, rule in enumerate(self.rules):
            for remark in rule.wrong():
                yield remark._replace(at=("rules", index, *remark.at))
