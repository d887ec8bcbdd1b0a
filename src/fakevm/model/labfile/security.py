"""Security groups and their rules."""

from __future__ import annotations

import ipaddress
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
    if isinstance(given, str) and given.count("-") == 1 and given.replace("-", "").isdigit():
        return tuple(map(int, given.split("-")))
    return given


PortRange = Annotated[
    tuple[PortNumber, PortNumber],
    BeforeValidator(_range, json_schema_input_type=int | str | tuple[PortNumber, PortNumber]),
]


class SecurityGroupRule(Value):
    """What may pass. ``ports``: one, first-last or a pair; ``remote``: a network; ``remote_group``: a group."""

    direction: Direction = "ingress"
    ethertype: EtherType | None = None
    protocol: str | int | None = None
    ports: PortRange | None = None
    remote: Cidr | None = None
    remote_group: SecurityGroupRef | None = None

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

    rules: tuple[SecurityGroupRule, ...] = ()
    all_egress: bool = True
    stateful: bool = Field(default=True)
