"""The hosts of a lab."""

from __future__ import annotations

from typing import Literal

from pydantic import field_validator

from fakevm.model.value import Value

from .release import ReleaseName

Role = Literal["compute", "dhcp", "l3", "metadata", "gateway"]
# The l3 agent's agent_mode.
L3Mode = Literal["legacy", "dvr", "dvr_snat"]
# Which of them a host may have depends on the backend.
Firewall = Literal["openvswitch", "iptables_hybrid", "iptables", "noop"]


class HostFile(Value):
    """A host: its roles, and settings of its own that win over the lab's."""

    roles: tuple[Role, ...] = ("compute",)
    firewall: Firewall | None = None
    release: ReleaseName | None = None
    l3_mode: L3Mode = "legacy"

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
