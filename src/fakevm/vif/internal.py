"""Ports of Open vSwitch's own (type=internal): plain interfaces of guests.

In user space their devices are taps that ovs-vswitchd holds. When it is killed they stay where they are, without a
carrier; when it is back it makes them anew, in the host.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vif_plug_ovs.ovsdb.ovsdb_lib import BaseOVS

from fakevm import errors, names
from fakevm.linux import link
from fakevm.waiting import until

from . import description

if TYPE_CHECKING:
    from fakevm.model.port import Port
    from fakevm.ovs.interface import Interfaces

_TYPE = "internal"
# How long (seconds) ovs-vswitchd may take to make a device, and to have done with it. It may have started just now.
_MAKING = 10.0


class Internal:
    """Makes them by os-vif, which has no words for them in a VIF.

    :param options: os-vif's own, of Open vSwitch
    """

    def __init__(self, options: Any, interfaces: Interfaces) -> None:
        self._ovsdb = BaseOVS(options)
        self._interfaces = interfaces

    def make(self, port: Port) -> None:
        """Have the switch make a port's device, in the host, unless it is there; returns when it may be moved.

        Type and ids are told in one transaction: else OVN, or Neutron's agent, sees a port without a device first.

        :raises PlugFailed: there is none
        """
        device, bridge = names.tap(port.id), description.bridge(port)
        if not link.exists(device):
            # One that is in a guest goes with its port.
            self._ovsdb.delete_ovs_vif_port(bridge, device, delete_netdev=False)
        profile = description.vif(port).port_profile
        self._ovsdb.create_ovs_vif_port(
            bridge, device, profile.interface_id, port.mac_address, port.instance_id, interface_type=_TYPE
        )

        def unmade() -> str:
            seen = self._interfaces.get(device)
            if seen is None or not seen.wired(bridge):
                return seen.describe(bridge) if seen else f"OVSDB has no interface {device}"
            # What OVSDB says may be from before a restart; and until it says this ovs-vswitchd calls it by its name.
            here = link.mac_address(device)
            return "" if here and seen.mac_in_use == here else f"ovs-vswitchd has not done with {device} yet"

        until(unmade, f"{device} was not made", _MAKING, pause=0.01, error=errors.PlugFailed)
