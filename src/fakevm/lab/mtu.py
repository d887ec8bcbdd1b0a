"""How large packets may be on what joins a lab's hosts, and what Neutron is told of it."""

from __future__ import annotations

from fakevm.backend.base import Ini
from fakevm.model.labfile.physical_network import ETHERNET
from fakevm.model.plan import LabPlan


def of(plan: LabPlan, physical_network: str) -> int:
    """Give the MTU (bytes) of a physical network's links; one that a backend makes for itself has Ethernet's."""
    known = plan.physical_networks.get(physical_network)
    return known.mtu if known else ETHERNET


def largest(plan: LabPlan) -> int:
    """Give the largest MTU (bytes) that any of the links between the hosts has."""
    return max(plan.underlay_mtu, *(net.mtu for net in plan.physical_networks.values()), 0)


def general(plan: LabPlan) -> dict[str, object]:
    """Give the options of all of Neutron's programs that say it; none where all is as Neutron takes it to be.

    No network is ever larger than ``global_physnet_mtu`` (29.0.0, BaseTypeDriver.get_mtu).
    """
    return {} if _is_ethernet(plan) else {"global_physnet_mtu": largest(plan)}


def ml2(plan: LabPlan) -> Ini:
    """Give the sections of ``ml2.ini`` that say it: of tunnels, and of each physical network (29.0.0, helpers)."""
    if _is_ethernet(plan):
        return {}
    each = [f"{name}:{net.mtu}" for name, net in plan.physical_networks.items()]
    return {"ml2": {"path_mtu": plan.underlay_mtu, "physical_network_mtus": each}}


def _is_ethernet(plan: LabPlan) -> bool:
    return {plan.underlay_mtu, *(net.mtu for net in plan.physical_networks.values())} == {ETHERNET}
