"""Security groups and their rules."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from fakevm.model.value import Value

from .reference import SecurityGroupRef
from .word import Cidr, PortNumber

Direction = Literal["ingress", "egress"]
EtherType = Literal["IPv4", "IPv6"]

_WITH_PORTS = ("tcp", "udp", "sctp", "dccp", "udplite")


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
    """What may pass. ``ports``: one, first-last or a pair; ``remote``: a network; ``remote_group``: a group."""

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
        if self.remote and self.remote_group:
            raise ValueError("give remote or remote_group, not both")
        if self.remote and self.ethertype and self.ethertype[-1] != str(ipaddress.ip_network(self.remote).version):
            raise ValueError(f"{self.remote} is not {self.ethertype}")
        return self


class SecurityGroupFile(Value):
    """A security group. ``all_egress`` keeps Neutron's own two rules, which let everything out."""

    rules: tuple[SecurityGroupRule, ...] = Field(
        default=(),
        description="What may pass: `direction` (`ingress`), `ethertype` (`IPv4`, or as `remote` is), `protocol`, "
        "`ports` (80, `80-90`), `remote` (CIDR) or `remote_group`.",
    )
    all_egress: bool = Field(
        default=True, description="Keep the two rules of every new group, which let everything out."
    )
    stateful: bool = Field(default=True, description="Whether answers to what may pass may pass, too.")
