"""Open vSwitch under an OpenFlow controller: plugged as for Neutron's own agent, wired by flows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fakevm import errors
from fakevm.linux import process
from fakevm.model.nic import DEFAULT_NIC

from . import description
from .ovs import OvsVifDriver

if TYPE_CHECKING:
    from fakevm.model.port import Port

_OFCTL = ("ovs-ofctl", "-O", "OpenFlow13", "dump-flows")


class OpenflowVifDriver(OvsVifDriver):
    """What a controller has done shows in the switch's flows only: there is no tag."""

    nics = (DEFAULT_NIC,)

    def taken(self, port: Port) -> bool | None:
        """See VifDriver: something is done with a broadcast of the guest, or a flow speaks of its port."""
        bridge = description.bridge(port)
        number = self.number(port)
        if number is None:
            return None
        frame = f"in_port={number},dl_dst=ff:ff:ff:ff:ff:ff"
        try:
            flows = process.run([*_OFCTL, bridge, f"table=0,in_port={number}"])
            traced = process.run(["ovs-appctl", "ofproto/trace", bridge, frame])
        except errors.CommandFailed:
            return None
        # An application may not tell ports apart; and a guest that is alone has nobody to send a broadcast to.
        return "in_port=" in flows or "Datapath actions: drop" not in traced
