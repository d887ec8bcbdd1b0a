"""The physical networks of a lab."""

from __future__ import annotations

from pydantic import Field, field_validator

from fakevm.model.value import Value

from .word import VlanId


class PhysicalNetwork(Value):
    """A network that joins the provider bridges of all hosts; ``vlans`` are the ids Neutron may hand out."""

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
