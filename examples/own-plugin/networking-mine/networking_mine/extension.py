"""An extension of the L2 agents: what a guest sends to the TCP port 7777 is dropped, whatever its groups let pass."""

from neutron_lib.agent import l2_extension
from oslo_log import log

LOG = log.getLogger(__name__)
PORT = 7777


class Extension(l2_extension.L2AgentExtension):
    def consume_api(self, agent_api):
        self.bridge = agent_api.request_int_br()

    def initialize(self, connection, driver_type):
        LOG.info("mine drops what guests send to TCP port %s", PORT)

    def handle_port(self, context, port):
        match = {"dl_type": 0x0800, "nw_proto": 6, "tp_dst": PORT, "in_port": port["vif_port"].ofport}
        self.bridge.add_flow(table=0, priority=200, actions="drop", **match)

    def delete_port(self, context, port):
        # Its flow has the number of a port of the switch that is gone.
        pass
