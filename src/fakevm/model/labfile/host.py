"""The hosts of a lab."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from fakevm.model.value import Value

from .config import Config
from .neutron import OF_NEUTRON
from .reference import PhysicalNetworkRef
from .release import ReleaseFile
from .word import Zone

Role = Literal["compute", "dhcp", "l3", "metadata", "gateway"]
# The l3 agent's agent_mode.
L3Mode = Literal["legacy", "dvr", "dvr_snat"]
# Which of them a host may have depends on the backend.
Firewall = Literal["openvswitch", "iptables_hybrid", "iptables", "noop"]


# A lab's addresses would do for more; two cores do not.
MOST_HOSTS = 1000


class HostFile(Value):
    """A host, or several that are alike: roles, and settings of its own that win over the lab's."""

    roles: tuple[Role, ...] = Field(
        default=("compute",),
        description="What runs there, any of: `compute`, guests may be there; `dhcp`, `l3`, `metadata`, Neutron's "
        "agents of that name; `gateway`, where no agents route: routers' ways out (without any: hosts with `l3`, "
        "or else all). Every host has a switch and both agents.",
    )
    firewall: Annotated[Firewall | None, OF_NEUTRON] = Field(default=None, description="As above, for this host.")
    release: Annotated[ReleaseFile | None, OF_NEUTRON] = Field(
        default=None,
        description="The release of this host's agents, or a source tree, as above: old agents are tried under a new "
        "server, patched ones beside others.",
    )
    physical_networks: Annotated[tuple[PhysicalNetworkRef, ...] | None, OF_NEUTRON] = Field(
        default=None,
        description="The physical networks that it is in; `[]`: none. Guests without a `host` come to one that is in "
        "those of their networks.",
    )
    l3_mode: Annotated[L3Mode, OF_NEUTRON] = Field(
        default="legacy",
        description="The L3 agent's mode: `legacy` (also for routers with `ha`), `dvr` on compute hosts and "
        "`dvr_snat` on network hosts for distributed routers.",
    )
    zone: Annotated[Zone | None, OF_NEUTRON] = Field(
        default=None, description="The availability zone that it is in; by default Neutron's `nova`."
    )
    config: Config = Field(
        default={}, description="Options of this host's agents, as above: they win over the lab's, each by itself."
    )
    count: int | None = Field(
        default=None,
        ge=1,
        le=MOST_HOSTS,
        description="So many hosts that are alike: `compute: {count: 100}` is `compute1` to `compute100`. One that has"
        " an entry of its own as well, such as `compute7`, is as that says, and else as the others.",
    )

    @field_validator("roles")
    @classmethod
    def _some_roles(cls, roles: tuple[str, ...]) -> tuple[str, ...]:
        if not roles:
            raise ValueError("a host needs at least one role")
        return roles


def counted(hosts: Any) -> Any:
    """Give each of the hosts that are counted in a file an entry of its own; what is no such file is left as it is.

    ``hosts`` maps names to what is written for them, or to HostFile.
    """
    if not isinstance(hosts, Mapping):
        return hosts
    if sum(map(count_of, hosts.values())) > MOST_HOSTS:
        return hosts
    found: dict[Any, Any] = {}
    for name, written in hosts.items():
        number = count_of(written)
        alike = {key: value for key, value in written.items() if key != "count"} if number else {}
        for host in (f"{name}{index}" for index in range(1, number + 1)):
            own = hosts.get(host, {})
            found[host] = {**alike, **({} if own is None else own)} if isinstance(own, Mapping | None) else own
        if not number and name not in found:
            found[name] = written
    return found


def count_of(written: Any) -> int:
    """Tell how many hosts an entry of a file stands for, if it counts any; 0 when it is one host, or wrong."""
    count = written.get("count") if isinstance(written, Mapping) else None
    return count if type(count) is int and 1 <= count <= MOST_HOSTS else 0


DEFAULT_HOSTS = {
    "compute1": HostFile(),
    "compute2": HostFile(),
    "network1": HostFile(roles=("dhcp",)),
}
