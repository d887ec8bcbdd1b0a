"""The hosts of a lab."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from fakevm.model.value import Value

from .release import ReleaseName

Role = Literal["compute", "dhcp", "l3", "metadata", "gateway"]
# The l3 agent's agent_mode.
L3Mode = Literal["legacy", "dvr", "dvr_snat"]
# Which of them a host may have depends on the backend.
Firewall = Literal["openvswitch", "iptables_hybrid", "iptables", "noop"]


class HostFile(Value):
    """A host: its roles, and settings of its own that win over the lab's."""

    roles: tuple[Role, ...] = Field(
        default=("compute",),
        description="What runs there, any of: `compute`, guests may be there; `dhcp`, `l3`, `metadata`, Neutron's "
        "agents of that name; `gateway`, with `ovn`: routers' ways out (without any: hosts with `l3`, or"
        " else all). Every host has a switch and both agents.",
    )
    firewall: Firewall | None = Field(default=None, description="As above, for this host.")
    release: ReleaseName | None = Field(
        default=None,
        description="The release of this host's agents, as above: old agents are tried under a new server.",
    )
    l3_mode: L3Mode = Field(
        default="legacy",
        description="The L3 agent's mode: `legacy` (also for routers with `ha`), `dvr` on compute hosts and "
        "`dvr_snat` on network hosts for distributed routers.",
    )

    @field_validator("roles")
    @classmethod
    def _some_roles(cls, roles: tuple[str, ...]) -> tuple[str, ...]:
        if not roles:
            raise ValueError("a host needs at least one role")
        return roles


DEFAULT_HOSTS = {
    "compute1": HostFile(),
    "compute2": HostFile(),
    "network1": HostFile(roles=("dhcp",)),
}
