"""Neutron's half: binds ports. It runs in Neutron's environment and knows nothing of FakeVM."""

from __future__ import annotations

from neutron_lib import constants
from neutron_lib.plugins.ml2 import api


class ToyMechanismDriver(api.MechanismDriver):
    """Binds a port to every host whose FakeVM agent is alive, and calls it ACTIVE: nobody else has to wire it."""

    def initialize(self):
        """Need nothing."""

    def bind_port(self, context):
        """Choose the first VXLAN segment."""
        if not any(agent["alive"] for agent in context.host_agents("FakeVM agent")):
            return
        for segment in context.segments_to_bind:
            if segment[api.NETWORK_TYPE] == constants.TYPE_VXLAN:
                details = {"vni": segment[api.SEGMENTATION_ID]}
                context.set_binding(segment[api.ID], "toy", details, status=constants.PORT_STATUS_ACTIVE)
                return
