"""A mechanism driver: it binds ports to the Open vSwitch agents of hosts, in the place of Neutron's own."""

from neutron.plugins.ml2.drivers import mech_agent
from neutron_lib import constants
from neutron_lib.api.definitions import portbindings
from oslo_log import log

LOG = log.getLogger(__name__)


class Driver(mech_agent.SimpleAgentMechanismDriverBase):
    def __init__(self):
        details = {portbindings.CAP_PORT_FILTER: True, portbindings.VIF_DETAILS_CONNECTIVITY: self.connectivity}
        super().__init__(constants.AGENT_TYPE_OVS, portbindings.VIF_TYPE_OVS, details)

    @property
    def connectivity(self):
        return portbindings.CONNECTIVITY_L2

    def get_allowed_network_types(self, agent):
        return ["flat", "vlan", *agent["configurations"].get("tunnel_types", [])]

    def get_mappings(self, agent):
        return agent["configurations"].get("bridge_mappings", {})

    def get_vif_details(self, context, agent, segment):
        # What who plugs the port must know of the switch: else it would be given another datapath.
        told = agent["configurations"]
        return {
            **self.vif_details,
            portbindings.VIF_DETAILS_BRIDGE_NAME: told["integration_bridge"],
            portbindings.OVS_DATAPATH_TYPE: told["datapath_type"],
            portbindings.OVS_HYBRID_PLUG: told["ovs_hybrid_plug"],
        }

    def bind_port(self, context):
        LOG.info("mine binds %s on %s", context.current["id"], context.host)
        super().bind_port(context)
