"""What joins a lab's hosts: its physical networks, and the underlay of its tunnels."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from fakevm.model.value import Value

from .word import VlanId

ETHERNET = 1500
# What carries IPv6 at the least (RFC 8200, section 5), and the largest that switches commonly bear.
LinkMtu = Annotated[int, Field(ge=1280, le=9000)]


class UnderlayFile(Value):
    """The network between the hosts that carries their tunnels; ``mtu`` is in bytes."""

    mtu: LinkMtu = Field(
        default=ETHERNET,
        description="How large the hosts' packets to one another may be, in bytes, up to 9000. Tunnels take some.",
    )


class PhysicalNetwork(Value):
    """A network that joins the provider bridges of all hosts; ``vlans`` are the ids Neutron may hand out."""

    mtu: LinkMtu = Field(default=ETHERNET, description="How large packets in it may be, in bytes, up to 9000.")
    vlans: tuple[VlanId, VlanId] | None = Field(
        default=None,
        description="`[first, last]`: the VLAN ids, 1 to 4094, that Neutron may hand out. Without it: flat networks,"
        " and VLANs that the user names.",
    )

    @field_validator("vlans")
    @classmethod
    def _in_order(cls, vlans: tuple[int, int] | None) -> tuple[int, int] | None:
        if vlans and vlans[0] > vlans[1]:
            raise ValueError("the first VLAN id must not be above the last")
        return vlans


DEFAULT_PHYSICAL_NETWORKS = {"physnet1": PhysicalNetwork(vlans=(100, 199))}
