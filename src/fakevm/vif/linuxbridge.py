"""Linux bridges: one for each network, in which Neutron's agent finds the guests' devices by their names.

os-vif has no plugin for them any more (5.x), so this does what that did for Nova: it makes the bridge where Neutron's
agent has not done so yet, and leaves it behind, as it is the network's and not the port's.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from fakevm import errors, names
from fakevm.guest.base import Uplink
from fakevm.linux import link

from .base import VifDriver

if TYPE_CHECKING:
    from fakevm.model.port import Port

_TAP = "tap"


class LinuxBridgeVifDriver(VifDriver):
    """Plugs into the bridge of the port's network; joining that to the rest of the network is for Neutron's agent."""

    uses_open_vswitch = False
    vif_types = ("bridge",)

    def __init__(self, conf: Any) -> None:
        pass

    def prepare(self, port: Port) -> Uplink:
        """See VifDriver; the guest's device is made in the bridge."""
        with _translated(f"cannot make the bridge of {port.words}"):
            link.ensure_bridge(_bridge(port))
        return Uplink(names.tap(port.id), _bridge(port))

    def connect(self, port: Port) -> None:
        """See VifDriver; Neutron's agent may have taken the bridge away meanwhile, with its network."""
        if problem := self.problem(port):
            raise errors.PlugFailed(f"cannot plug {port.words}: {problem}", hint="Is its network being deleted?")

    def unplug(self, port: Port) -> None:
        """See VifDriver; the device went with the guest, and the bridge belongs to Neutron's agent."""

    def problem(self, port: Port) -> str:
        """See VifDriver."""
        device, bridge = names.tap(port.id), _bridge(port)
        seen = link.master(device)
        if seen == bridge:
            return ""
        return f"device {device} is {f'in bridge {seen}' if seen else 'in no bridge'}, not in {bridge}"

    def taken(self, port: Port) -> bool | None:
        """See VifDriver; Neutron's agent has put the network's own device (VXLAN, VLAN, physical) into the bridge.

        Before the binding is ACTIVE it never does: its server calls that "no active binding" (25.2.3, ml2/rpc.py).
        """
        if port.binding.status != "ACTIVE":
            return None
        try:
            return any(not device.startswith(_TAP) for device in link.ports(_bridge(port)))
        except errors.CommandFailed:
            return False


def _bridge(port: Port) -> str:
    """Name the port's bridge: as Neutron says, where an operator's own bridge is in use, else after the network."""
    given = str(port.binding.vif_details.get("bridge_name") or "")
    return given[: names.NIC_NAME_LENGTH] or names.network_bridge(port.network_id)


@contextlib.contextmanager
def _translated(doing: str) -> Iterator[None]:
    try:
        yield
    except (errors.CommandFailed, errors.TimedOut) as exc:
        raise errors.PlugFailed(f"{doing}: {exc.what}", hint=exc.hint) from exc
