"""The world outside of the lab's clouds: what is behind its external networks."""

from __future__ import annotations

import ipaddress
from typing import ClassVar

from pydantic import Field, field_validator

from fakevm.model.value import Value

from .word import Name, WordValue

# TEST-NET-2 (RFC 5737) and a piece of the documentation prefix (RFC 3849).
CLIENT_NETWORKS = ("198.51.100.0/24", "2001:db8:ffff::/64")


class ClientFile(WordValue):
    """A client outside: ``number`` makes its addresses, 198.51.100.NUMBER and 2001:db8:ffff::NUMBER (hex)."""

    word_field: ClassVar[str] = "number"

    number: int = Field(
        description="2 to 254: makes its addresses 198.51.100.NUMBER and 2001:db8:ffff::NUMBER (there in hex)."
    )

    @field_validator("number")
    @classmethod
    def _in_range(cls, number: int) -> int:
        if not 2 <= number <= 254:
            raise ValueError("a client's number is from 2 to 254: 1 is the router's")
        return number

    @property
    def addresses(self) -> tuple[str, ...]:
        """The client's addresses in CIDR form, IPv4 and IPv6."""
        networks = [ipaddress.ip_network(network) for network in CLIENT_NETWORKS]
        return tuple(f"{network[self.number]}/{network.prefixlen}" for network in networks)


class OutsideFile(Value):
    """The outside. Its router holds the gateway address of each external network; its clients are behind that."""

    clients: dict[Name, ClientFile] = Field(
        default={"client": ClientFile(number=10)},
        description="Clients by name: `number`, 2 to 254, makes their addresses 198.51.100.NUMBER and "
        "2001:db8:ffff::NUMBER (there in hex).",
    )
