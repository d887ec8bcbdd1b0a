"""A port in os-vif's words, as Nova describes it (nova.network.os_vif_util)."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from os_vif import objects

from fakevm import names

if TYPE_CHECKING:
    from fakevm.model.port import Port

DEFAULT_BRIDGE = "br-int"

# An instance may be called anything here ("i-xxxx"); os-vif's UUIDField takes it, with a warning per value.
warnings.filterwarnings("ignore", message=".*is an invalid UUID", category=FutureWarning)


def is_hybrid(port: Port) -> bool:
    """Whether Neutron asks for a Linux bridge between the guest and Open vSwitch."""
    return bool(port.binding.vif_details.get("ovs_hybrid_plug"))


def instance(port: Port) -> Any:
    """Describe the guest (InstanceInfo)."""
    name = port.hostname or port.instance_id
    return objects.instance_info.InstanceInfo(uuid=port.instance_id, name=name, project_id=port.project_id)


def vif(port: Port) -> Any:
    """Describe the VIF: VIFBridge for a hybrid plug, else VIFOpenVSwitch."""
    common = {
        "id": port.id,
        "address": port.mac_address,
        "network": _network(port),
        "plugin": "ovs",
        "active": port.binding.status == "ACTIVE",
        "preserve_on_delete": True,
        "has_traffic_filtering": bool(port.binding.vif_details.get("port_filter")),
        "port_profile": _profile(port),
        "vif_name": names.tap(port.id),
    }
    if is_hybrid(port):
        return objects.vif.VIFBridge(bridge_name=names.hybrid_bridge(port.id), **common)
    return objects.vif.VIFOpenVSwitch(bridge_name=bridge(port), **common)


def bridge(port: Port) -> str:
    """Name the Open vSwitch bridge of the VIF."""
    return str(port.binding.vif_details.get("bridge_name") or DEFAULT_BRIDGE)


def _network(port: Port) -> Any:
    return objects.network.Network(
        id=port.network_id,
        bridge=bridge(port),
        label=port.network_name,
        mtu=port.mtu,
        vlan=None,
        bridge_interface=None,
    )


def _profile(port: Port) -> Any:
    details = port.binding.vif_details
    profile = objects.vif.VIFPortProfileOpenVSwitch(
        interface_id=str(details.get("ovs_interfaceid") or port.id),
        create_port=not (is_hybrid(port) or port.is_plain),
        create_tap=not is_hybrid(port) and bool(details.get("ovs_create_tap")),
    )
    if details.get("datapath_type"):
        profile.datapath_type = details["datapath_type"]
    return profile
