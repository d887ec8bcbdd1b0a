"""A lab as it will be made: every default filled in, every address given."""

from __future__ import annotations

from pathlib import Path

from pydantic import SerializeAsAny

from .labfile import Firewall, L3Mode, NetworkFile, Options, PhysicalNetwork, Role
from .labfile.auth import DEFAULT_AUTH, Auth
from .labfile.config import Config
from .labfile.physical_network import ETHERNET
from .labfile.service import ServiceFile
from .value import Value

# The first version of Neutron (2026.1) that does without eventlet.
_THREADED = 28


def major(version: str) -> int:
    """Give the first number of a version of Neutron: that of its series."""
    return int(version.partition(".")[0])


def is_threaded(version: str) -> bool:
    """Tell whether the programs of a version of Neutron are threads' and processes', no longer eventlet's."""
    return major(version) >= _THREADED


class HostPlan(Value):
    """A host to make; ``index`` counts from 1 and makes its addresses and link names.

    ``release`` and ``venv`` are those of its agents: they may be older than the server. In a lab without Neutron both
    are empty. ``config`` are the options that the file gives to these alone. ``physical_networks``: None are all of the
    lab's.
    """

    name: str
    index: int
    release: str = ""
    venv: Path = Path()
    roles: tuple[Role, ...]
    firewall: Firewall
    l3_mode: L3Mode = "legacy"
    zone: str = ""
    config: Config = {}
    management_address: str
    tunnel_address: str
    physical_networks: tuple[str, ...] | None = None


class OutsideLeg(Value):
    """A leg of the outside's router in a physical network (untagged).

    ``addresses`` are in CIDR form, ``mtu`` is in bytes. ``neighbours`` are networks of which addresses may be there,
    too, as routers answer for them (NDP proxies).
    """

    network: str
    physical_network: str
    addresses: tuple[str, ...]
    neighbours: tuple[str, ...] = ()
    mtu: int = ETHERNET


class OutsidePlan(Value):
    """The world behind the external networks; ``clients`` gives each client's addresses in CIDR form."""

    legs: tuple[OutsideLeg, ...]
    clients: dict[str, tuple[str, ...]]

    @property
    def mtu(self) -> int:
        """The MTU of what is behind its router: nothing there is in the way of what comes from a leg."""
        return max(leg.mtu for leg in self.legs)


class IdentityPlan(Value):
    """A lab's Keystone: the environment that it runs in and where that is, passwords of its users and its database.

    ``port``, ``api_port`` and ``compute_port`` are its own, Neutron's and (0: there is none) the compute API's: at the
    same address on the machine's loopback and on the lab's.
    """

    environment: str
    venv: Path
    passwords: dict[str, str]
    database_password: str
    port: int = 0
    api_port: int = 0
    compute_port: int = 0

    @property
    def endpoint(self) -> str:
        """Where it is found."""
        return f"http://127.0.0.1:{self.port}/v3"

    @property
    def api_endpoint(self) -> str:
        """Where its catalogue says that Neutron is."""
        return f"http://127.0.0.1:{self.api_port}"

    @property
    def compute_endpoint(self) -> str:
        """Where it says that servers are made; empty: nowhere."""
        return f"http://127.0.0.1:{self.compute_port}/compute/v2.1" if self.compute_port else ""

    @property
    def image_endpoint(self) -> str:
        """Where it says that images are listed; empty: nowhere."""
        return f"http://127.0.0.1:{self.compute_port}/image" if self.compute_port else ""


class LabPlan(Value):
    """A lab to make.

    ``release`` is the server's, ``venv`` its virtual environment, both empty without ``neutron``;
    ``kernel_datapath`` says whether the hosts' switches forward in the kernel; ``networks`` are those of the file,
    ``service_plugins`` what its resources and its services need of Neutron, ``services`` all that these consist of,
    ``options`` what the file tells its backend, ``config`` the options that it gives to Neutron's programs; ``warm``
    says whether warmed processes fork programs. ``auth`` is how Neutron's API knows who may ask,
    ``compute_api`` whether there is one for servers. The passwords and
    ``token`` (empty but for ``auth: token``) are made per lab and stand in files of mode 0600 only.
    """

    name: str
    directory: Path
    neutron: bool = True
    release: str = ""
    backend: str
    venv: Path = Path()
    kernel_datapath: bool
    physical_networks: dict[str, PhysicalNetwork]
    underlay_mtu: int = ETHERNET
    networks: dict[str, NetworkFile] = {}
    service_plugins: tuple[str, ...] = ()
    services: tuple[ServiceFile, ...] = ()
    hosts: tuple[HostPlan, ...]
    management_address: str
    broker_password: str
    database_password: str
    metadata_secret: str
    events_secret: str
    auth: Auth = DEFAULT_AUTH
    token: str = ""
    identity: IdentityPlan | None = None
    compute_api: bool = False
    options: SerializeAsAny[Options] | None = None
    config: Config = {}
    outside: OutsidePlan | None = None
    warm: bool = True

    @property
    def threaded(self) -> bool:
        """Whether the server's programs are threads' and processes', no longer eventlet's."""
        return is_threaded(self.release)

    def physical_networks_of(self, host: HostPlan) -> tuple[str, ...]:
        """Name the physical networks that a host is in."""
        own = host.physical_networks
        return tuple(name for name in self.physical_networks if own is None or name in own)

    @property
    def has_names(self) -> bool:
        """Whether guests are known by names to one another (Neutron's DNS integration)."""
        return any(service.name == "dns" for service in self.services)

    @property
    def distributed(self) -> bool:
        """Whether any host takes part in distributed routers."""
        return any("l3" in host.roles and host.l3_mode != "legacy" for host in self.hosts)

    @property
    def transport_url(self) -> str:
        """Where the broker is for what runs in the lab."""
        return f"rabbit://fakevm:{self.broker_password}@{self.management_address}:5672/"
