"""What interfaces are attached to on this host: ports, by the VIF driver; links, by the patch panel."""

from __future__ import annotations

from collections.abc import Sequence

from fakevm import errors, names
from fakevm.guest.base import Uplink, Wired
from fakevm.link.impairment import Impairments
from fakevm.link.panel import Panel
from fakevm.model.guest import Guest
from fakevm.model.impairment import Conditions
from fakevm.model.interface import Interface
from fakevm.model.port import Port
from fakevm.vif.base import VifDriver


class Attachments:
    """Wires the other ends of guests' devices, whatever they are attached to; ``impairments`` befall their frames."""

    def __init__(self, driver: VifDriver, panel: Panel, impairments: Impairments) -> None:
        self.driver = driver
        self.impairments = impairments
        self._panel = panel

    def prepare(self, interface: Interface) -> Wired:
        """Make what must be there before the device, and say where its other end goes. Raises FakevmError."""
        return Wired(interface, self._prepared(interface))

    def _prepared(self, interface: Interface) -> Uplink:
        if isinstance(interface.attachment, Port):
            return self.driver.prepare(interface.attachment)
        return self._panel.prepare(interface.attachment)

    def connect(self, interface: Interface, *, asleep: bool) -> None:
        """Wire the other end, which is there now; a link brings nothing to one that is asleep. Raises FakevmError."""
        if isinstance(interface.attachment, Port):
            self.driver.connect(interface.attachment)
        else:
            self._panel.connect(interface.attachment, asleep=asleep)

    def connect_all(self, interfaces: Sequence[Interface], *, asleep: bool) -> None:
        """Wire the other ends of all of a guest's interfaces. Raises FakevmError."""
        for interface in interfaces:
            if isinstance(interface.attachment, Port):
                self.driver.connect(interface.attachment)
        places = [each.attachment for each in interfaces if not isinstance(each.attachment, Port)]
        if places:
            self._panel.connect_all(places, asleep=asleep)

    def woken(self, interface: Interface) -> None:
        """Let what links bring come here: the guest is about to wake. Raises FakevmError."""
        if not isinstance(interface.attachment, Port):
            self._panel.connect(interface.attachment)

    def unplug(self, interface: Interface) -> None:
        """Undo all of it; the device is gone already. Raises FakevmError."""
        if isinstance(interface.attachment, Port):
            self.driver.unplug(interface.attachment)
        else:
            self._panel.unplug(interface.attachment)

    def problem(self, interface: Interface) -> str:
        """Say what is wrong with the wiring; empty when it is as it was made."""
        if isinstance(interface.attachment, Port):
            return self.driver.problem(interface.attachment)
        return self._panel.problem(interface.attachment)


def interface_of(port: Port, index: int, before: Interface | None = None) -> Interface:
    """Give the interface that a port's guest is to have, as its ``index``-th; what befalls its frames stays."""
    return Interface(
        name=port.device or names.device(port.id),
        index=index,
        mac_address=port.mac_address,
        mtu=port.mtu,
        attachment=port,
        sent=before.sent if before else Conditions(),
        received=before.received if before else Conditions(),
    )


def require_room(guest: Guest, there: tuple[Interface, ...], new: Interface) -> None:
    """Refuse an interface whose name or MAC address another one of the guest has. Raises Conflict, InvalidInput."""
    if not new.name or len(new.name.encode()) > names.DEVICE_NAME_LENGTH or set(new.name) & set("/: \t\n"):
        raise errors.InvalidInput(
            f"{new.name!r} is no name for a device of the guest {guest.title}",
            hint=f"A device has 1 to {names.DEVICE_NAME_LENGTH} bytes, none of them a space, a slash or a colon.",
        )
    for other in there:
        if other.attachment == new.attachment:
            continue
        if other.name == new.name:
            raise errors.Conflict(
                f"the guest {guest.title} has an interface {new.name} already: that of {other.words}",
                hint="Give the new one another name, or detach that.",
            )
        if other.mac_address.lower() == new.mac_address.lower():
            raise errors.Conflict(
                f"the guest {guest.title} has an interface with the MAC address {new.mac_address}: {other.name}",
                hint="Give the new one another MAC address.",
            )
