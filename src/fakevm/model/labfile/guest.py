"""Guests, their interfaces, and what runs in them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal, NamedTuple

from pydantic import Field, model_validator

from fakevm.model.guest import GuestSettings
from fakevm.model.kind import COUNTING_KINDS, DEFAULT_KIND
from fakevm.model.remark import Location

from .interface import InterfaceFile
from .neutron import OF_NEUTRON
from .port import PortFile
from .reference import ComputeHostRef, GuestRef
from .routing import SYSCTL, RoutingFile
from .word import DeviceName, Duration, Label, WordValue


class RunFile(WordValue):
    """A command for the guest's shell, run when it has its addresses. As one word: the command.

    ``background`` leaves it running; else it must end well within ``timeout``. With ``restart: always`` it is started
    again whenever it ends.
    """

    word_field: ClassVar[str] = "command"

    command: Annotated[str, Field(min_length=1)] = Field(description="A command for the guest's shell.")
    background: bool = Field(default=False, description="Leave it running, and go on at once.")
    timeout: Duration = Field(default=60.0, description="So long it may take, if it is not left running.")
    restart: Literal["never", "always"] = Field(
        default="never",
        description="`always` keeps it running: it is started again whenever it ends, and when its guest is.",
    )

    @model_validator(mode="after")
    def _stays(self) -> RunFile:
        if self.is_kept and (self.background or self.timeout != type(self).model_fields["timeout"].default):
            raise ValueError("what is kept running is neither in the background nor has a timeout: leave that out")
        return self

    @property
    def is_kept(self) -> bool:
        """Whether it is kept running."""
        return self.restart == "always"


class SshFile(WordValue):
    """How ssh gets to a guest. As one word: through which other one."""

    word_field: ClassVar[str] = "jump"

    jump: GuestRef = Field(description="The guest by way of which it is reached, over the network between them.")


class GuestPort(NamedTuple):
    """A port of a guest: its name in Neutron, its device's in the guest, and where the guest's entry has it.

    ``device`` is empty where it is made of the port's id.
    """

    name: str
    device: str
    at: Location
    file: PortFile


class GuestFile(GuestSettings):
    """A guest. ``host``: None is one of the compute hosts in turn; ``keys`` are SSH public keys by name."""

    kind: str = Field(
        default=DEFAULT_KIND,
        description="How it is made: `namespace`, `container`, `vm`, or a kind that a package brings.",
    )
    host: ComputeHostRef | None = Field(default=None, description="Where it is.")
    ports: Annotated[tuple[PortFile, ...], OF_NEUTRON] = Field(
        default=(),
        description="A list of ports: short for interfaces on networks, whose devices are called `qfv…`; in a "
        "container and in a virtual machine `eth0`, `eth1`…",
    )
    interfaces: dict[DeviceName, InterfaceFile] = Field(
        default={}, description="Its interfaces by the names of their devices. Not beside `ports`."
    )
    user_data: Annotated[str, OF_NEUTRON] = Field(default="", description="What the metadata service gives it.")
    keys: Annotated[dict[Label, str], OF_NEUTRON] = Field(
        default={}, description="SSH public keys by name, for the metadata service."
    )
    run: tuple[RunFile, ...] = Field(
        default=(),
        description="A list of `command` for its shell, one after the other; `background: true` leaves it running, "
        "`restart: always` keeps it running, else it must end well within `timeout` (`60s`). What they say is in the "
        "log `HOST/guest-NAME`, that of one that is kept running in `HOST/guest-NAME-PROGRAM`.",
    )
    routing: RoutingFile | None = Field(
        default=None, description="What makes a router of it: `{frr: {ospf: {area: 0}}}`, `{bird: my-bird.conf}`."
    )
    ssh: SshFile | None = Field(
        default=None,
        description="`{jump: GUEST}`: `fakevm ssh` and `ssh-config` get to it through another guest, over the network "
        "between them, as `ssh -J` does. Without it they go straight into it.",
    )

    @model_validator(mode="after")
    def _either_form(self) -> GuestFile:
        if self.ports and self.interfaces:
            raise ValueError("a guest has `ports` or `interfaces`, not both: `ports` are interfaces on networks")
        return self

    @property
    def settings(self) -> GuestSettings:
        """What is said of it, whatever its kind."""
        own = {name: getattr(self, name) for name in GuestSettings.model_fields}
        return GuestSettings(**own | ({"sysctl": SYSCTL | self.sysctl} if self.routing else {}))

    @property
    def is_plain(self) -> bool:
        """Tell whether it is as plugging its ports alone would make it."""
        return self.settings == GuestSettings()

    @property
    def on_networks(self) -> tuple[PortFile, ...]:
        """Its ports, whichever way they are written."""
        return tuple(port.file for port in self.ports_of(""))

    @property
    def networks(self) -> frozenset[str]:
        """The networks that it is in, those that come tagged among them."""
        ports = self.on_networks
        return frozenset((*(p.network for p in ports), *(sub.network for p in ports for sub in p.trunk)))

    def ports_of(self, guest: str) -> tuple[GuestPort, ...]:
        """Give its ports, whichever way they are written; ``guest`` is its name.

        The first is called as the guest, so that its host name is that.
        """
        return tuple(self._ports(guest))

    def _ports(self, guest: str) -> Iterator[GuestPort]:
        for index, port in enumerate(self.ports):
            device = f"eth{index}" if self.kind in COUNTING_KINDS else ""
            yield GuestPort(f"{guest}-{index}" if index else guest, device, ("ports", index), port)
        named = {device: file for device, file in self.interfaces.items() if isinstance(file, PortFile)}
        for index, (device, port) in enumerate(named.items()):
            yield GuestPort(f"{guest}-{device}" if index else guest, device, ("interfaces", device), port)
