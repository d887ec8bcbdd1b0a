"""Availability zones in which nobody would serve what is to be there."""

from __future__ import annotations

from collections.abc import Iterator

from fakevm.backend.base import Backend
from fakevm.model.labfile import LabFile
from fakevm.model.labfile.reference import no_such
from fakevm.model.remark import Location, Remark

# In which agents are that are not told another one (neutron.conf.agent.common, 29.0.0); OVN's chassis are in none.
_DEFAULT = "nova"


def wrong(lab: LabFile, backend: Backend) -> Iterator[Remark]:
    """Find zones without the hosts that networks and routers need there (Neutron refuses them, as of 29.0.0).

    And those that checks kill, though no host says that it is in one.
    """
    yield from _killed(lab)
    agents = {role for role in backend.role_agents if role not in backend.idle_roles}
    own = {name: host.zone or (_DEFAULT if backend.routed_by_agents else "") for name, host in lab.hosts.items()}
    for kind, role, resources in (("networks", "dhcp", lab.networks), ("routers", "l3", lab.routers)):
        for name, resource in resources.items():
            for index, zone in enumerate(resource.zones):
                at: Location = (kind, name, "zones", index)
                hosts = [lab.hosts[host] for host, its in own.items() if its == zone]
                if not hosts:
                    zones = sorted(set(own.values()) - {""})
                    yield Remark(no_such("zone", zone, zones), at, "A host is in one by its own `zone`.")
                elif role in agents and not any(role in host.roles for host in hosts):
                    yield Remark(f"no host of the zone {zone!r} has the role {role}", at)


def _killed(lab: LabFile) -> Iterator[Remark]:
    zones = sorted({host.zone for host in lab.hosts.values() if host.zone})
    for name, check in lab.checks.items():
        zone = check.during.kill_zone if check.during else None
        if zone and zone not in zones:
            at: Location = ("checks", name, "during", "kill_zone")
            yield Remark(no_such("zone", zone, zones), at, "A host is in one by its own `zone`.")
