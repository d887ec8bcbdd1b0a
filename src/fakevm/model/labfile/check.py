"""Checks: what must be true of a lab that runs."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, model_validator

from fakevm.model.feature import Feature
from fakevm.model.value import Value

from .dhcp_option import GotOption, GotValue
from .fault import FaultFile
from .metering_label import MeteringLabelRef
from .reference import (
    ComputeHostRef,
    GuestRef,
    HostRef,
    PlaceRef,
    RouteRef,
    SourceRef,
    TargetRef,
)
from .word import Delay, Duration, Label, PacketRate, Percent, PortNumber, Rate

Expectation = Literal["passes", "blocked"]
Family = Literal[4, 6]
IPERF = 5201
"""The port on which iperf3 listens where no other is named."""


def _regular_expression(text: str) -> str:
    try:
        re.compile(text)
    except (re.error, RecursionError, OverflowError) as exc:
        raise ValueError(f"not a regular expression: {exc}") from exc
    return text


class Check(Value):
    """What all checks have. ``source`` is a guest or a client outside; ``within``: try for so many seconds.

    ``during`` is a fault that is made before, and repaired after it. ``needs`` are the features of a backend without
    which the check is skipped; None: those that the check and the file tell.
    """

    model_config = ConfigDict(populate_by_name=True)

    source: SourceRef = Field(alias="from", description="Whence: a guest, or a client outside.")
    expect: Expectation = Field(default="passes", description="Whether it must pass, or be blocked.")
    within: Duration = Field(default=0.0, description="A time to try for, such as 60s.")
    during: FaultFile | None = Field(
        default=None, description="A fault of a host, made before the check and repaired after it."
    )
    needs: tuple[Feature, ...] | None = Field(
        default=None,
        description="Features of a backend without which the check is skipped; by default those that the check and "
        "the file tell.",
    )


class TargetedCheck(Check):
    """A check with a destination (``to``): a guest, a port without one, a floating IP, a client outside, an address.

    ``family`` says whether IPv4 or IPv6 of a guest is meant.
    """

    target: TargetRef = Field(
        alias="to", description="Where to: a guest, a port without one, a floating IP, a client outside, or an address."
    )
    family: Family = Field(default=4, description="Which address of a guest: of IPv4 or of IPv6.")


class PingCheck(TargetedCheck):
    """ICMP echo: all of ``count`` answered; ``blocked``: none."""

    kind: Literal["ping"] = Field(default="ping", description="ICMP echo: all of `count` answered.")
    count: int = Field(default=3, ge=1, le=1000, description="How many are sent.")


class TcpCheck(TargetedCheck):
    """A TCP connection is made, and data comes through."""

    kind: Literal["tcp"] = Field(default="tcp", description="A TCP connection.")
    port: PortNumber = Field(description="The port to connect to.")


class UdpCheck(TargetedCheck):
    """A datagram arrives, and its answer comes back."""

    kind: Literal["udp"] = Field(default="udp", description="A datagram and its answer.")
    port: PortNumber = Field(description="The port to send to.")


class HttpCheck(TargetedCheck):
    """A GET is answered with ``status``; its body holds ``contains``."""

    kind: Literal["http"] = Field(default="http", description="A GET over HTTP.")
    port: PortNumber = Field(default=80, description="The server's port.")
    path: str = Field(default="/", description="The path to ask for.")
    status: int = Field(default=200, ge=100, le=599, description="The status that is expected.")
    contains: str = Field(default="", description="What the page must hold.")


class DnsCheck(Check):
    """A name is resolved: by ``server``, or by what DHCP gave the guest; to ``answer``, or to anything."""

    kind: Literal["dns"] = Field(default="dns", description="A name is resolved.")
    name: str = Field(min_length=1, max_length=253, description="The name to resolve.")
    server: str = Field(
        default="", description="The address of the server to ask; by default what DHCP gave the guest."
    )
    answer: str = Field(default="", description="An address that must be among the answers; by default any.")


class DhcpCheck(Check):
    """The guest is offered its address by DHCP (IPv4); ``servers``: by so many, no more and no less."""

    kind: Literal["dhcp"] = Field(default="dhcp", description="DHCP servers (IPv4) offer the guest its address.")
    servers: int = Field(default=1, ge=1, le=100, description="How many servers offer it, no more and no less.")


class LeaseCheck(Check):
    """A DHCP client in the guest (dhclient) is given these options, called as in ``dhcp_options``; "": not given.

    The guest stays as it is.
    """

    kind: Literal["lease"] = Field(default="lease", description="What a DHCP client in the guest gets.")
    source: GuestRef = Field(alias="from", description="The guest.")
    gets: dict[GotOption, GotValue] = Field(
        default={},
        description='Options that it gets, as of `dhcp_options`: `{bootfile-name: pxelinux.0}`; `""`: it gets none.',
    )
    family: Family = Field(default=4, description="DHCP of IPv4 or of IPv6.")


class MtuCheck(TargetedCheck):
    """A packet of ``size`` bytes (the whole IP packet) passes undivided, one byte more does not."""

    kind: Literal["mtu"] = Field(default="mtu", description="The largest packet that passes undivided.")
    size: int = Field(ge=68, le=65535, description="Of the whole IP packet, in bytes.")


class BandwidthCheck(TargetedCheck):
    """What arrives has ``rate`` (kbit/s, or with a unit), within ``tolerance`` percent; by iperf3 on port 5201.

    Instead of ``rate`` there may be ``classes``: ports with their rates, all measured at once.
    """

    kind: Literal["bandwidth"] = Field(
        default="bandwidth", description="The rate of what arrives, by iperf3 on port 5201."
    )
    rate: Rate | None = Field(
        default=None, description="The rate that is expected: kbit/s, or with a unit, such as `10 Mbit/s`."
    )
    classes: dict[PortNumber, Rate] = Field(
        default={}, description="Instead: ports, each with its rate, `{80: 500 kbit/s, 25: 300 kbit/s}`, all at once."
    )
    protocol: Literal["tcp", "udp"] = Field(
        default="tcp",
        description="By what it is measured: TCP sends as fast as it finds that it can, UDP faster than the rate.",
    )
    counts: Literal["data", "frames"] = Field(
        default="data",
        description="What the rate counts: the bytes of data, or those of Ethernet frames, as `shape` does.",
    )
    tolerance: Percent = Field(default=5.0, description="So far off it may be, in percent.")
    seconds: Duration = Field(default=5.0, description="How long it is measured.")

    @model_validator(mode="after")
    def _one_form(self) -> BandwidthCheck:
        if (self.rate is None) == (not self.classes):
            raise ValueError("give the rate that is expected, or classes with their rates")
        return self

    @property
    def rates(self) -> dict[int, float]:
        """The rate of each port."""
        return dict(self.classes) or {IPERF: self.rate or 0.0}


class LossCheck(TargetedCheck):
    """So many percent of ``count`` datagrams to the target are lost, within 4 standard deviations of the binomial."""

    kind: Literal["loss"] = Field(default="loss", description="What is lost on the way to the target.")
    loss: Percent = Field(
        description="So many are lost, in percent: `1 %`. Within four standard deviations of the binomial."
    )
    count: int = Field(default=2000, ge=10, le=1000000, description="How many datagrams are sent.")
    interval: Annotated[Duration, Field(gt=0, le=10)] = Field(default=0.001, description="One is sent in so long.")


class DelayCheck(TargetedCheck):
    """Half of the datagrams to the target take no longer than ``delay``, within ``tolerance``: there, not back."""

    kind: Literal["delay"] = Field(
        default="delay", description="How long the way to the target takes: there, not back."
    )
    delay: Delay = Field(description="How long it takes, such as `25 ms`: the median.")
    tolerance: Duration | None = Field(
        default=None, description="So far off it may be; by default 1 ms, or 2 % where that is more."
    )
    count: int = Field(default=200, ge=1, le=100000, description="How many datagrams are sent.")
    interval: Annotated[Duration, Field(gt=0, le=10)] = Field(default=0.01, description="One is sent in so long.")


class DscpCheck(TargetedCheck):
    """Datagrams come to the target marked with this (DSCP), whatever they were sent with."""

    kind: Literal["dscp"] = Field(default="dscp", description="How packets are marked when they arrive (DSCP).")
    mark: int = Field(ge=0, le=63, description="The mark that all have: 26.")

    count: ClassVar[int] = 20
    interval: ClassVar[float] = 0.01


class PacketsCheck(TargetedCheck):
    """Of twice as many datagrams so many arrive in a second, within ``tolerance`` percent; the first does not count."""

    kind: Literal["packets"] = Field(default="packets", description="How many packets arrive in a second.")
    rate: PacketRate = Field(description="In thousands a second: `2`, or `2 kpps`. Twice as many are sent.")
    tolerance: Percent = Field(default=10.0, description="So far off it may be, in percent.")
    seconds: Annotated[Duration, Field(ge=2, le=60)] = Field(
        default=4.0, description="How long it is measured; the first second does not count."
    )

    @property
    def interval(self) -> float:
        """One is sent in so many seconds."""
        return 1 / (2 * 1000 * self.rate)

    @property
    def count(self) -> int:
        """How many are sent."""
        return round(self.seconds / self.interval)


# Those for which numbered datagrams are sent.
StreamCheck = LossCheck | DelayCheck | DscpCheck | PacketsCheck


class MeteredCheck(TargetedCheck):
    """Of ``count`` pings to the target a metering label counts at least as many, in the routers on all hosts."""

    kind: Literal["metered"] = Field(default="metered", description="A metering label counts what is sent.")
    label: MeteringLabelRef = Field(description="The metering label that counts.")
    count: int = Field(default=10, ge=1, le=1000, description="How many pings are sent.")


class LoggedCheck(TargetedCheck):
    """A packet log tells of a connection (TCP) to the target's ``port`` as of this ``event``, answered or not."""

    kind: Literal["logged"] = Field(default="logged", description="A packet log tells of what is sent.")
    port: PortNumber = Field(description="The port to connect to, by TCP.")
    event: Literal["accept", "drop"] = Field(default="drop", description="What is told of it: `accept` or `drop`.")


class ApiCheck(Check):
    """Neutron's API shows a user of Keystone's, in the user's project, what the regular expression ``shows``."""

    kind: Literal["api"] = Field(default="api", description="What Neutron's API answers a user of Keystone's.")
    source: Label = Field(alias="from", description="The user: `demo`, `alt_demo`, `demo_reader`…")
    get: Annotated[str, StringConstraints(pattern=r"^/\S*$")] = Field(
        description="What is asked for, below `/v2.0`: `/networks?name=private`."
    )
    shows: Annotated[str, AfterValidator(_regular_expression)] = Field(
        description="A regular expression that is found in the answer."
    )


class PathCheck(TargetedCheck):
    """A packet crosses exactly these ``hosts``, in any order; none of ``avoids``."""

    kind: Literal["path"] = Field(default="path", description="The hosts that a packet crosses.")
    hosts: tuple[HostRef, ...] = Field(default=(), description="The hosts that a packet crosses, in any order.")
    avoids: tuple[HostRef, ...] = Field(default=(), description="Hosts that it must not cross.")


class OutageCheck(TargetedCheck):
    """During a fault the target does not answer for ``at_most`` so long, and then does again."""

    kind: Literal["outage"] = Field(default="outage", description="How long nothing is answered during a fault.")
    at_most: Duration = Field(default=30.0, description="So long nothing may be answered.")

    @model_validator(mode="after")
    def _has_a_fault(self) -> OutageCheck:
        if self.during is None:
            raise ValueError("an outage is measured during a fault: give during")
        return self


class MigrateCheck(TargetedCheck):
    """The guest ``to`` moves to another host, is ACTIVE there and answers ``from``; afterwards it moves back.

    ``host``: where to (None: the next compute host); ``way``, ``processes``: as of ``fakevm migrate``. ``at_most``: so
    long nothing may be answered meanwhile (None: for any time, if it answers again).
    """

    kind: Literal["migrate"] = Field(default="migrate", description="The guest `to` moves to another host, and back.")
    target: GuestRef = Field(alias="to", description="The guest that moves.")
    host: ComputeHostRef | None = Field(default=None, description="Where to; by default the next compute host.")
    way: Literal["live", "cold"] = Field(default="live", description="Live, as Nova moves a running server, or cold.")
    at_most: Duration | None = Field(
        default=None, description="So long nothing may be answered meanwhile; by default any time."
    )
    processes: Literal["auto", "move", "end"] = Field(
        default="auto",
        description="What becomes of what runs in it: what can goes along, all must (`move`), or all ends (`end`).",
    )

    @model_validator(mode="after")
    def _are_alive(self) -> MigrateCheck:
        if self.way == "cold" and self.processes == "move":
            raise ValueError("nothing runs on when a guest moves cold: `processes: move` is for `way: live`")
        return self


class OspfCheck(Check):
    """A router has so many neighbours by OSPF that are FULL; ``neighbours``: None is one at each link to another."""

    kind: Literal["ospf"] = Field(default="ospf", description="A router's neighbours by OSPF are FULL.")
    source: GuestRef = Field(alias="from", description="The router.")
    neighbours: int | None = Field(
        default=None, ge=0, description="How many; by default one at each link to another router."
    )


class BgpCheck(Check):
    """A router has so many neighbours by BGP that are Established; ``neighbours``: None are those in the file."""

    kind: Literal["bgp"] = Field(default="bgp", description="A router's neighbours by BGP are Established.")
    source: GuestRef = Field(alias="from", description="The router.")
    neighbours: int | None = Field(default=None, ge=0, description="How many; by default those that the file names.")


class RouteCheck(Check):
    """A guest's kernel has a route ``to`` a guest, an address or a network, ``via`` a device, a gateway or a guest.

    ``ways``: so many next hops it has.
    """

    kind: Literal["route"] = Field(default="route", description="A guest has a route, by that way.")
    source: GuestRef = Field(alias="from", description="The guest.")
    target: RouteRef = Field(
        alias="to", description="Where to: a guest (of a router its loopback), an address, or just this network."
    )
    family: Family = Field(default=4, description="Which address of a guest: of IPv4 or of IPv6.")
    via: str = Field(
        default="", description="By which device, gateway, or guest at the other end of a link; by default any."
    )
    ways: int | None = Field(default=None, ge=1, description="How many ways there are, all as good.")


class NeighbourCheck(Check):
    """At the other ends of a guest's links are those that the file says, as LLDP tells."""

    kind: Literal["neighbour"] = Field(
        default="neighbour", description="LLDP tells at the other ends of a guest's links those that the file says."
    )
    source: GuestRef = Field(alias="from", description="The guest.")


class CommandCheck(Check):
    """A shell command on a host, in a guest or a client ends well, and says what the regular expression ``shows``."""

    kind: Literal["command"] = Field(
        default="command", description="A line for the shell, on a host, in a guest or a client."
    )
    source: PlaceRef = Field(alias="from", description="Where it runs: a host, a guest, or a client outside.")
    run: Annotated[str, Field(min_length=1)] = Field(description="A line for the shell; it must end well.")
    shows: Annotated[str, AfterValidator(_regular_expression)] = Field(
        default="", description="A regular expression that is found in its output; by default anything is."
    )


CheckFile = Annotated[
    PingCheck
    | TcpCheck
    | UdpCheck
    | HttpCheck
    | DnsCheck
    | DhcpCheck
    | LeaseCheck
    | MtuCheck
    | BandwidthCheck
    | LossCheck
    | DelayCheck
    | DscpCheck
    | PacketsCheck
    | MeteredCheck
    | LoggedCheck
    | ApiCheck
    | PathCheck
    | OutageCheck
    | MigrateCheck
    | CommandCheck
    | OspfCheck
    | BgpCheck
    | RouteCheck
    | NeighbourCheck,
    Field(discriminator="kind"),
]
