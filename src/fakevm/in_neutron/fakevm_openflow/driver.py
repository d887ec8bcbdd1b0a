"""The ML2 mechanism driver: binds ports where an OpenFlow switch lives, and tells the controller of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from neutron.plugins.ml2.drivers import mech_agent
from neutron_lib.api.definitions import portbindings
from neutron_lib.plugins.ml2 import api
from oslo_config import cfg

from . import options
from .agent import AGENT_TYPE
from .telling import Teller
from .world import Port, Segment, uplink


class OpenflowMechanismDriver(mech_agent.SimpleAgentMechanismDriverBase):  # type: ignore[misc]
    """For Neutron a switch is an agent of its host: it is alive, or nothing is bound there.

    The base class blocks a port's way to ACTIVE until that agent says that it is wired: see ``reports``.
    """

    def __init__(self) -> None:
        options.register(cfg.CONF)
        settings = cfg.CONF[options.GROUP]
        details = {
            portbindings.CAP_PORT_FILTER: False,
            portbindings.OVS_HYBRID_PLUG: False,
            portbindings.VIF_DETAILS_BRIDGE_NAME: "br-int",
            portbindings.OVS_DATAPATH_TYPE: settings.datapath_type,
        }
        super().__init__(AGENT_TYPE, portbindings.VIF_TYPE_OVS, details)
        self._teller = Teller(Path(settings.ports_folder))

    @property
    def connectivity(self) -> str:
        """See MechanismDriver."""
        return str(portbindings.CONNECTIVITY_L2)

    def get_allowed_network_types(self, agent: Any = None) -> list[str]:
        """See SimpleAgentMechanismDriverBase."""
        return ["vxlan", "vlan", "flat"]

    def get_mappings(self, agent: Any) -> list[str]:
        """See SimpleAgentMechanismDriverBase; a switch says which uplinks it has."""
        return list(agent["configurations"].get("uplinks", ()))

    def physnet_in_mappings(self, physnet: str, mappings: list[str]) -> bool:
        """See SimpleAgentMechanismDriverBase."""
        return uplink(physnet) in mappings

    def create_port_postcommit(self, context: Any) -> None:
        """See MechanismDriver."""
        self._teller.tell(_told(context))

    def update_port_postcommit(self, context: Any) -> None:
        """See MechanismDriver; binding, activation of a binding and changes of the status come here, too."""
        self._teller.tell(_told(context))

    def delete_port_postcommit(self, context: Any) -> None:
        """See MechanismDriver."""
        self._teller.forget(context.current["id"])


def _told(context: Any) -> Port:
    port = context.current
    return Port(
        id=port["id"],
        mac=port["mac_address"],
        host=context.host or "",
        segment=_segment(context),
        status=port["status"],
        revision=port["revision_number"],
    )


def _segment(context: Any) -> Segment | None:
    """Give the network of a port that has a host, as it is carried.

    While a binding is activated, the port passes through a state without a binding, and then has one without levels
    (29.0.0, Ml2Plugin.activate). It must not be cut off meanwhile.
    """
    if not context.host or context.vif_type == portbindings.VIF_TYPE_BINDING_FAILED:
        return None
    bound = context.bottom_bound_segment or context.network.network_segments[0]
    number = bound[api.SEGMENTATION_ID] or 0
    return Segment(context.current["network_id"], bound[api.NETWORK_TYPE], bound[api.PHYSICAL_NETWORK] or "", number)
