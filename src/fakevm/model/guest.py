"""A guest, and what it takes along when it moves to another host."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from .daemon import Daemon, DaemonSeen
from .identity import called
from .interface import InterfaceSeen
from .kind import DEFAULT_KIND
from .limits import Limits
from .machine import MachineSettings
from .server import Server
from .value import Value

_Word = Annotated[str, Field(coerce_numbers_to_str=True)]


def _of_network(values: dict[str, str]) -> dict[str, str]:
    for name, value in values.items():
        if not re.fullmatch(r"net(\.[\w-]+(/[\w-]+)*)+", name):
            raise ValueError(f"{name!r} is no setting of a guest's own: those of its network are, net.ipv4.ip_forward…")
        if not re.fullmatch(r"[\w.,:\t -]+", value):
            raise ValueError(f"{value!r} is no value for {name}")
    return values


class GuestSettings(Value):
    """What may be said of a guest, whatever its kind: it keeps that wherever it is made."""

    server: Server | None = Field(
        default=None,
        description="A container that boots as a server of a cloud: the user of this name logs in by ssh with `keys`, "
        "and `user_data` are run once.",
    )
    sysctl: Annotated[dict[str, _Word], AfterValidator(_of_network)] = Field(
        default={},
        description="Settings of its kernel's network: `{net.ipv4.ip_forward: 1}` makes a router of it. They are made "
        "before its interfaces, which have `net.ipv4.conf.default.…` from their start.",
    )
    image: str = Field(
        default="",
        description="The root file system of a container, or the disk of a virtual machine: one of `images`. Without "
        "one, a container has the machine's programs, and a virtual machine is a tiny one.",
    )
    machine: MachineSettings = Field(
        default=MachineSettings(),
        description="The hardware of a virtual machine, and the way into it.",
    )
    limits: Limits = Field(
        default=Limits(),
        description="What all processes of a container may have at most: `{memory: 256M, cpus: 0.5}`; "
        "what a virtual machine has (80M, one processor, where nothing is said).",
    )


class Guest(Value):
    """A fake VM: a machine of its own, of which a host has no more than one with this id.

    ``id`` is the ``device_id`` of its ports; of a port without one, the port's own. ``name`` is what people call it,
    ``hostname`` what it calls itself, ``kind`` how it is made. ``namespace`` is its network namespace's name.
    ``settings`` are what was asked for beside, ``daemons`` what is to run in it for as long as it does.
    """

    id: str
    name: str = ""
    hostname: str = ""
    kind: str = DEFAULT_KIND
    namespace: str = ""
    settings: GuestSettings = GuestSettings()
    daemons: tuple[Daemon, ...] = ()

    @property
    def title(self) -> str:
        """What people call it."""
        return called(self.name, self.id, self.id)


class GuestSeen(Value):
    """A guest as it was seen on its host; the same can be made of it on another.

    ``asleep``: it sends nothing, since it is to move or has moved. ``problem`` says what is not as it should be.
    """

    id: str
    name: str = ""
    hostname: str = ""
    host: str
    kind: str
    namespace: str
    state: Literal["running", "stopped", "starting", "ending"]
    asleep: bool = False
    settings: GuestSettings = GuestSettings()
    interfaces: tuple[InterfaceSeen, ...] = ()
    daemons: tuple[DaemonSeen, ...] = ()
    problem: str = ""

    @property
    def title(self) -> str:
        """What people call it."""
        return called(self.name, self.id, self.id)

    @property
    def same(self) -> Guest:
        """The guest as it can be made anew, on any host: there its namespace has a name of its own."""
        return Guest(
            id=self.id,
            name=self.name,
            hostname=self.hostname,
            kind=self.kind,
            settings=self.settings,
            daemons=tuple(daemon.wanted for daemon in self.daemons),
        )


class Neighbour(Value):
    """An entry of the guest's neighbour table."""

    address: str
    mac_address: str
    permanent: bool = False


class InterfaceState(Value):
    """What hangs on one device of a guest, as it was when the guest was paused.

    ``addresses`` are in CIDR form with what ``ip address`` says behind them (lifetimes in seconds); ``routes`` are in
    the words of ``ip route``, IPv4 and IPv6, in an order in which they can be added. ``mtu`` (bytes) is what the device
    has, 0 when that is not known. ``leases`` holds the lease files of the DHCP clients that ran, by name.
    """

    addresses: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()
    neighbours: tuple[Neighbour, ...] = ()
    mtu: int = 0
    leases: dict[str, str] = {}


class GuestState(Value):
    """A guest's own network settings, as they were when it was paused: those of each device, by its name.

    A virtual machine has them in its memory: ``memory`` says where that can be had while it moves.
    """

    interfaces: dict[str, InterfaceState] = {}
    resolv_conf: str = ""
    memory: str = ""

    def of(self, device: str) -> InterfaceState:
        """Give what hangs on a device; nothing, when that is not known."""
        return self.interfaces.get(device, InterfaceState())
