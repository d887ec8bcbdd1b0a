"""Which parts a lab has."""

from __future__ import annotations

from fakevm.backend.base import Backend
from fakevm.model.plan import LabPlan
from fakevm.model.program import Program

from . import files
from .broker import Broker
from .compute_api import ComputeApi
from .config import given
from .database_template import Database
from .event_receiver import Events
from .host import Hosts
from .keystone import Keystone
from .metadata import Metadata
from .neutron import Server
from .outside import Outside
from .part import Part


class Network(Part):
    """The bridges that join a lab's hosts, and their names."""

    name = "network"

    def write(self) -> None:
        """See Part."""
        bridges = ["br-mgmt", "br-underlay", *self.backend.physical_bridges(self.plan).values()]
        lines = [f"link add {name} type bridge\nlink set {name} up\n" for name in bridges]
        lines.append(f"addr add {self.plan.management_address}/16 dev br-mgmt\n")
        files.write(self.plan.directory / "bridges.batch", "".join(lines))
        addresses = ((h.management_address, h.name) for h in self.plan.hosts)
        files.write(self.plan.directory / "hosts.txt", "".join(f"{address} {name}\n" for address, name in addresses))


class Plugin(Part):
    """What the backend under test runs beside Neutron's server."""

    name = "plugin"
    needs = ("server",)

    def programs(self) -> tuple[Program, ...]:
        """See Part."""
        return given.marked(self.backend.lab_programs(self.plan), self.plan)


#: in the order in which they are told of, and waited for where they do not need one another
PARTS: tuple[type[Part], ...] = (
    Network,
    Database,
    Broker,
    Events,
    Keystone,
    Server,
    Plugin,
    Metadata,
    ComputeApi,
    Hosts,
    Outside,
)


#: of a lab without Neutron
PARTS_WITHOUT_NEUTRON: tuple[type[Part], ...] = (Network, Hosts)


def parts_of(plan: LabPlan, backend: Backend) -> tuple[Part, ...]:
    """Give the parts of a lab."""
    parts = PARTS if plan.neutron else PARTS_WITHOUT_NEUTRON
    return tuple(part(plan, backend) for part in parts if part.is_wanted(plan))
