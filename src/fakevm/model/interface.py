"""A guest's network interfaces, and what each is attached to."""

from __future__ import annotations

from typing import Literal

from .impairment import Conditions
from .nic import DEFAULT_NIC, NicKind
from .port import Addressing, Port
from .value import Value


class LinkEnd(Value):
    """One end of a point-to-point link: the link's name, and which of its two ends it is."""

    link: str
    end: Literal["a", "b"]

    @property
    def far(self) -> LinkEnd:
        """The other end."""
        return LinkEnd(link=self.link, end="b" if self.end == "a" else "a")


class BridgePort(Value):
    """A place in a bridge that joins interfaces of guests: its name, and whose place it is, ``GUEST:INTERFACE``."""

    bridge: str
    owner: str


# A port of Neutron's, as its host needs to know it, an end of a link, or a place in a bridge.
Attachment = Port | LinkEnd | BridgePort


class Interface(Value):
    """A network interface of a guest, as it is to be.

    ``name`` is its device's in the guest; ``index`` its place among the guest's, from 0 on: only the routes of the
    first have the kernel's own metrics. ``mtu`` is in bytes; ``addresses`` are in CIDR form, set statically; a port's
    own come with the port. ``addressing`` is how a port's addresses were got, None: not yet. ``sent`` and ``received``
    say what befalls its frames.
    """

    name: str
    index: int = 0
    mac_address: str
    mtu: int
    addresses: tuple[str, ...] = ()
    addressing: Addressing | None = None
    attachment: Attachment
    sent: Conditions = Conditions()
    received: Conditions = Conditions()

    @property
    def port(self) -> Port | None:
        """The port of Neutron's that it is attached to, if it is."""
        return self.attachment if isinstance(self.attachment, Port) else None

    @property
    def nic(self) -> NicKind:
        """What it is made of."""
        return (self.port and self.port.nic) or DEFAULT_NIC

    @property
    def words(self) -> str:
        """Say in a sentence what it is attached to."""
        if isinstance(self.attachment, Port):
            return self.attachment.words
        if isinstance(self.attachment, LinkEnd):
            return f"link {self.attachment.link}"
        return f"bridge {self.attachment.bridge}"


def alike(one: Interface, other: Interface) -> bool:
    """Tell whether two interfaces are the same but for what befalls their frames."""
    return one.model_copy(update={"sent": other.sent, "received": other.received}) == other


class InterfaceSeen(Value):
    """An interface as it was seen on its host.

    ``attached`` says to what: a port's id, or the name of a link or bridge; ``addresses`` are in CIDR form, as they are
    on the device. ``problem`` says what is not as it should be, ``lacks`` what this kernel cannot make. ``wanted`` is,
    of one that is attached to a link or a bridge, what was asked for: with it the same can be made on another host, as
    nobody else knows it there. ``addressing`` is how a port's addresses were got, None: not yet. ``sent``
    and ``received`` say what befalls its frames, ``means`` by what, each. ``nic`` is what it is made of.
    """

    name: str
    mac_address: str
    mtu: int
    kind: Literal["port", "link", "bridge", "vlan"]
    attached: str
    addresses: tuple[str, ...] = ()
    problem: str = ""
    lacks: str = ""
    addressing: Addressing | None = None
    wanted: Interface | None = None
    sent: Conditions = Conditions()
    received: Conditions = Conditions()
    means: tuple[str, str] = ("", "")
    nic: NicKind = DEFAULT_NIC
