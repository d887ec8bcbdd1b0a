"""A whole lab file as Neutron's resources, in the order in which they can be made."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain

from fakevm.model.labfile import LabFile

from . import guests, networks, routers, security
from .resource import Resource


@dataclass(frozen=True)
class Stage:
    """Resources that do not need one another; what they need is in stages before."""

    title: str
    resources: tuple[Resource, ...]


def stages(lab: LabFile) -> tuple[Stage, ...]:
    """Describe all resources of a lab; stages without any are left out."""
    made = (
        Stage("QoS policies", tuple(map(security.qos_policy, lab.qos_policies))),
        Stage("QoS rules", tuple(chain(*(security.limits(*item) for item in lab.qos_policies.items())))),
        Stage("security groups", tuple(security.security_group(*item) for item in lab.security_groups.items())),
        Stage("security group rules", tuple(chain(*(security.rules(*item) for item in lab.security_groups.items())))),
        Stage("networks", tuple(networks.network(*item) for item in lab.networks.items())),
        Stage("subnets", tuple(chain(*(networks.subnets(*item) for item in lab.networks.items())))),
        Stage("routers", tuple(routers.router(*item) for item in lab.routers.items())),
        Stage("ports", _ports(lab)),
        Stage("router interfaces", tuple(chain(*(routers.interfaces(*item) for item in lab.routers.items())))),
        Stage("routes", tuple(chain(*(routers.routes(*item) for item in lab.routers.items())))),
        Stage("trunks", tuple(chain(*(guests.trunks(*item) for item in lab.guests.items())))),
        Stage("floating IPs", tuple(routers.floating_ip(lab, *item) for item in lab.floating_ips.items())),
    )
    return tuple(stage for stage in made if stage.resources)


def resources(lab: LabFile) -> tuple[Resource, ...]:
    """Describe all resources of a lab in one row."""
    return tuple(chain(*(stage.resources for stage in stages(lab))))


def _ports(lab: LabFile) -> tuple[Resource, ...]:
    legs = chain(*(routers.legs(lab, *item) for item in lab.routers.items()))
    return (*legs, *chain(*(guests.ports(lab.name, *item) for item in lab.guests.items())))
