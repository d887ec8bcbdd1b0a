"""What makes a router of a guest: FRR or BIRD, with a configuration of one's own or made of a few words."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Any, ClassVar, Literal
from zlib import crc32

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from fakevm.model.value import Value

from .word import Address, Cidr, DeviceName, Duration, WordValue, device_name

SYSCTL = {
    "net.ipv4.ip_forward": "1",
    "net.ipv6.conf.all.forwarding": "1",
    # Packets come back another way where there are several.
    "net.ipv4.conf.all.rp_filter": "0",
    "net.ipv4.conf.default.rp_filter": "0",
    # Flows, and not only addresses, are spread over ways that are as good.
    "net.ipv4.fib_multipath_hash_policy": "1",
}
"""What a router's kernel needs; what a guest's own ``sysctl`` says wins."""

Program = Literal["frr", "bird"]
FrrDaemon = Literal[
    "babeld", "bfdd", "bgpd", "eigrpd", "fabricd", "isisd", "ldpd", "nhrpd", "ospf6d", "ospfd", "pathd", "pbrd",
    "pim6d", "pimd", "ripd", "ripngd", "staticd", "vrrpd",
]  # fmt: skip


def _router_id(text: str) -> str:
    if ipaddress.ip_address(text).version != 4 or ipaddress.ip_address(text).is_unspecified:
        raise ValueError(f"a router's id is written as an IPv4 address, such as 10.255.0.1, not {text!r}")
    return text


def _area(given: Any) -> Any:
    """Write an area as an address, whichever way it was written: 1 is 0.0.0.1."""
    try:
        if isinstance(given, bool):
            raise ValueError
        return str(ipaddress.IPv4Address(int(given) if isinstance(given, int) or str(given).isdigit() else given))
    except ValueError as exc:
        raise ValueError(f"an area is a number or is written as an IPv4 address, not {given!r}") from exc


def _peer(text: str) -> str:
    """Tell what a neighbour is known by: its address, or the interface that it is at."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        if re.fullmatch(r"[0-9.:/]+", text):
            raise ValueError(f"{text!r} is neither an address nor an interface") from None
        return device_name(text)


RouterId = Annotated[Address, AfterValidator(_router_id)]
AsNumber = Annotated[int, Field(ge=1, le=2**32 - 1)]


class OspfFile(Value):
    """OSPF (version 2) on a router's links; ``interfaces``: None are all that are at links' ends."""

    area: Annotated[str, BeforeValidator(_area, json_schema_input_type=str | int)] = Field(
        default="0.0.0.0", description="The area, as a number or an address."
    )
    interfaces: tuple[DeviceName, ...] | None = Field(
        default=None, description="Its interfaces; by default all that are at the end of a link."
    )
    hello: Duration = Field(default=1.0, description="How often it says hello, in whole seconds.")
    dead: Duration = Field(default=4.0, description="A neighbour that was silent for so long is gone.")

    @model_validator(mode="after")
    def _times(self) -> OspfFile:
        for name, value in (("hello", self.hello), ("dead", self.dead)):
            if value < 1 or value > 65535 or not value.is_integer():
                raise ValueError(f"{name} is a number of whole seconds, 1 to 65535")
        if self.dead <= self.hello:
            raise ValueError("a neighbour would be taken for gone between two hellos: dead must be more than hello")
        return self


class BgpFile(Value):
    """BGP: its own number, its neighbours' by their addresses or by interfaces, and the networks that it announces."""

    as_: AsNumber = Field(alias="as", description="The number of its autonomous system.")
    neighbours: dict[Annotated[str, AfterValidator(_peer)], AsNumber] = Field(
        default={},
        description="The numbers of its neighbours' systems, by their addresses: `{10.9.0.2: 65002}`. With FRR also by "
        "the interface that one is at the other side of: `{eth1: 65002}`.",
    )
    networks: tuple[Cidr, ...] = Field(default=(), description="The networks that it announces.")


class DaemonFile(WordValue):
    """A routing daemon. As one word: the file with its configuration, which is read when the lab file is.

    ``config`` is what is in that file, or was written in its place.
    """

    word_field: ClassVar[str] = "file"

    file: str = Field(
        default="", description="The file with its whole configuration; relative to the lab file's folder."
    )
    config: str = Field(default="", description="Its whole configuration, as text.")
    router_id: RouterId | None = Field(
        default=None,
        description="Its id, also the address of its loopback. By default 10.255.0.1 for the file's first router, "
        "10.255.0.2 for the second…",
    )
    ospf: OspfFile | None = Field(default=None, description="OSPF, `{area: 0}`.")
    bgp: BgpFile | None = Field(default=None, description="BGP, `{as: 65001, neighbours: {10.9.0.2: 65002}}`.")

    @model_validator(mode="after")
    def _one_way(self) -> DaemonFile:
        said = [name for name in ("ospf", "bgp", "router_id") if getattr(self, name) is not None]
        if self.file and self.config:
            raise ValueError("give file or config, not both")
        if (self.file or self.config) and said:
            raise ValueError(f"a whole configuration says that itself: leave out {', '.join(said)}, or write no file")
        if not (self.file or self.config or self.ospf or self.bgp):
            raise ValueError("say what it is to do: ospf, bgp, or a file")
        return self


class FrrFile(DaemonFile):
    """FRR; ``daemons``: None are those that its configuration needs."""

    daemons: tuple[FrrDaemon, ...] | None = Field(
        default=None, description="The daemons beside zebra; by default those that the configuration has words of."
    )


class BirdFile(DaemonFile):
    """BIRD, version 2."""


class RoutingFile(Value):
    """The routing daemon of a guest: one of those that there are."""

    frr: FrrFile | None = Field(default=None, description="FRR: a file with its configuration, or a few words.")
    bird: BirdFile | None = Field(default=None, description="BIRD 2: a file with its configuration, or a few words.")

    @model_validator(mode="after")
    def _one(self) -> RoutingFile:
        if (self.frr is None) == (self.bird is None):
            raise ValueError("a router runs one of frr and bird")
        return self

    @property
    def program(self) -> Program:
        """Which it is."""
        return "frr" if self.frr else "bird"

    @property
    def router(self) -> FrrFile | BirdFile:
        """What is said of it."""
        found = self.frr or self.bird
        assert found
        return found

    @property
    def words(self) -> str:
        """Say in a word which it is, and how it is configured."""
        if text := self.router.config:
            return f"{self.program}, a configuration of {len(text.splitlines())} lines ({crc32(text.encode()):08x})"
        return f"{self.program} {self.router.model_dump(mode='json', by_alias=True, exclude_defaults=True)}"

    def with_config(self, text: str) -> RoutingFile:
        """The same with the text of its file in place of the file's name."""
        router = self.router.model_copy(update={"file": "", "config": text})
        return self.model_copy(update={self.program: router})
