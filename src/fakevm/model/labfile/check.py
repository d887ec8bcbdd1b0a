"""Checks: what must be true of a lab that runs."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from fakevm.model.feature import Feature
from fakevm.model.value import Value

from .reference import ComputeHostRef, GuestRef, HostRef, PlaceRef, SourceRef, TargetRef
from .word import Duration, Percent, PortNumber, Rate

Expectation = Literal["passes", "blocked"]
Family = Literal[4, 6]


def _regular_expression(text: str) -> str:
    try:
        re.compile(text)
    except re.error as exc:
        raise ValueError(f"not a regular expression: {exc}") from exc
    return text


class FaultFile(Value):
    """A fault of a host: ``stop``, ``kill`` or ``cut`` names it. As of ``fakevm host stop`` and so on."""

    stop: HostRef | None = None
    kill: HostRef | None = None
    cut: HostRef | None = None

    @model_validator(mode="after")
    def _one(self) -> FaultFile:
        if len(self.model_dump(exclude_none=True)) != 1:
            raise ValueError("give one of stop, kill and cut")
        return self

    @property
    def host(self) -> str:
        """The host that has it."""
        return self.stop or self.kill or self.cut or ""

    def __str__(self) -> str:
        return " ".join(f"{way} {host}" for way, host in self.model_dump(exclude_none=True).items())


class Check(Value):
    """What all checks have. ``source`` is a guest or a client outside; ``within``: try for so many seconds.

    ``during`` is a fault that is made before, and repaired after it. ``needs`` are the features of a backend without
    which the check is skipped; None: those that the check and the file tell.
    """

    model_config = ConfigDict(populate_by_name=True)

    source: SourceRef = Field(alias="from")
    expect: Expectation = "passes"
    within: Duration = 0.0
    during: FaultFile | None = None
    needs: tuple[Feature, ...] | None = None


class TargetedCheck(Check):
    """A check with a destination (``to``): a guest, a floating IP, a client outside, or an address.

    ``family`` says whether IPv4 or IPv6 of a guest is meant.
    """

    target: TargetRef = Field(alias="to")
    family: Family = 4


class PingCheck(TargetedCheck):
    """ICMP echo: all of ``count`` answered; ``blocked``: none."""

    kind: Literal["ping"] = "ping"
    count: int = Field(default=3, ge=1, le=1000)


class TcpCheck(TargetedCheck):
    """A TCP connection is made, and data comes through."""

    kind: Literal["tcp"] = "tcp"
    port: PortNumber


class UdpCheck(TargetedCheck):
    """A datagram arrives, and its answer comes back."""

    kind: Literal["udp"] = "udp"
    port: PortNumber


class HttpCheck(TargetedCheck):
    """A GET is answered with ``status``; its body holds ``contains``."""

    kind: Literal["http"] = "http"
    port: PortNumber = 80
    path: str = "/"
    status: int = Field(default=200, ge=100, le=599)
    contains: str = ""


class DnsCheck(Check):
    """A name is resolved: by ``server``, or by what DHCP gave the guest; to ``answer``, or to anything."""

    kind: Literal["dns"] = "dns"
    name: str
    server: str = ""
    answer: str = ""


class DhcpCheck(Check):
    """The guest is offered its address by DHCP (IPv4); ``servers``: by so many, no more and no less."""

    kind: Literal["dhcp"] = "dhcp"
    servers: int = Field(default=1, ge=1)


class MtuCheck(TargetedCheck):
    """A packet of ``size`` bytes (the whole IP packet) passes undivided, one byte more does not."""

    kind: Literal["mtu"] = "mtu"
    size: int = Field(ge=68, le=65535)


class BandwidthCheck(TargetedCheck):
    """TCP throughput is ``rate`` (kbit/s, or with a unit), within ``tolerance`` percent; by iperf3 on port 5201."""

    kind: Literal["bandwidth"] = "bandwidth"
    rate: Rate
    tolerance: Percent = 5.0
    seconds: Duration = 5.0


class PathCheck(TargetedCheck):
    """A packet crosses exactly these ``hosts``, in any order; none of ``avoids``."""

    kind: Literal["path"] = "path"
    hosts: tuple[HostRef, ...] = ()
    avoids: tuple[HostRef, ...] = ()


class OutageCheck(TargetedCheck):
    """During a fault the target does not answer for ``at_most`` so long, and then does again."""

    kind: Literal["outage"] = "outage"
    at_most: Duration = 30.0

    @model_validator(mode="after")
    def _has_a_fault(self) -> OutageCheck:
        if self.during is None:
            raise ValueError("an outage is measured during a fault: give during")
        return self


class MigrateCheck(TargetedCheck):
    """The guest ``to`` moves to another host, is ACTIVE there and answers ``from``; afterwards it moves back.

    ``host``: where to (None: the next compute host); ``way``: as of ``fakevm migrate``. ``at_most``: so long nothing
    may be answered meanwhile (None: for any time, if it answers again).
    """

    kind: Literal["migrate"] = "migrate"
    target: GuestRef = Field(alias="to")
    host: ComputeHostRef | None = None
    way: Literal["live", "cold"] = "live"
    at_most: Duration | None = None


class CommandCheck(Check):
    """A shell command on a host, in a guest or a client ends well, and says what the regular expression ``shows``."""

    kind: Literal["command"] = "command"
    source: PlaceRef = Field(alias="from")
    run: Annotated[str, Field(min_length=1)]
    shows: Annotated[str, AfterValidator(_regular_expression)] = ""


CheckFile = Annotated[
    PingCheck
    | TcpCheck
    | UdpCheck
    | HttpCheck
    | DnsCheck
    | DhcpCheck
    | MtuCheck
    | BandwidthCheck
    | PathCheck
    | OutageCheck
    | MigrateCheck
    | CommandCheck,
    Field(discriminator="kind"),
]
