"""The lab file as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from inspect import isclass
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, field_validator, model_validator

from fakevm.model.kind import DEFAULT_KIND
from fakevm.model.value import Value
from fakevm.names import DEFAULT_BACKEND, NO_BACKEND

from .address_group import AddressGroupFile
from .address_scope import AddressScopeFile
from .auth import DEFAULT_AUTH, DEFAULT_PROJECT, Auth
from .bridge import Bridge
from .check import CheckFile
from .config import Config
from .generate import GenerateFile, generated
from .guest import GuestFile
from .host import DEFAULT_HOSTS, MOST_HOSTS, Firewall, HostFile, counted
from .image import ImageFile
from .link import LinkFile
from .local_ip import LocalIpFile
from .metering_label import MeteringLabelFile
from .ndp_proxy import NdpProxyFile
from .network import NetworkFile, SubnetFile
from .neutron import OF_NEUTRON
from .outside import OutsideFile
from .packet_log import PacketLogFile
from .physical_network import DEFAULT_PHYSICAL_NETWORKS, PhysicalNetwork, UnderlayFile
from .qos import QosPolicyFile
from .reference import BackendName
from .release import Package, ReleaseFile
from .release import version as version_of
from .resource import ResourceFile
from .router import FloatingIpFile, RouterFile
from .security import SecurityGroupFile
from .service import Services
from .subnet_pool import SubnetPoolFile
from .unbound_port import UnboundPortFile
from .word import Label, Name, ResourceName, require_unique

Datapath = Literal["auto", "kernel", "userspace"]

# Words that already mean something where a host or a guest is named.
RESERVED_HOSTS = {
    "lab": "in `fakevm lab exec` 'lab' is the lab itself",
    "outside": "'outside' is the world behind the external networks",
}


def _with_kinds(written: Mapping[str, Any]) -> Mapping[str, Any]:
    """Say of each guest how it is made, where the lab says it of all."""
    guests = written.get("guests")
    if "guest_kind" not in written or not isinstance(guests, Mapping):
        return written
    kind = {"kind": written["guest_kind"]}
    told = {name: {**kind, **guest} if isinstance(guest, Mapping) else guest for name, guest in guests.items()}
    return {**written, "guests": told}


class LabFile(Value):
    """A whole lab file. Every key has a default, so an empty file is the default lab."""

    name: Name = Field(
        default="lab",
        description="The lab's name: a small letter, then up to 30 small letters, digits or `-`. `--name` wins.",
    )
    neutron: bool = Field(
        default=True,
        description="Whether there is a Neutron. Without it (`false`) a lab has hosts, guests and links, and is up in "
        "a second; keys that are Neutron's are errors then.",
    )
    release: Annotated[ReleaseFile, OF_NEUTRON] = Field(
        default="29.0.0",
        description="The Neutron release: a version or a series, such as 2026.1. Left out, it is the newest that the "
        "backend runs with. Installed on the way where it is not there. Or a source tree: `{path: ../neutron}`.",
    )
    packages: Annotated[tuple[Package, ...], OF_NEUTRON] = Field(
        default=(),
        description="Python packages that Neutron's server and agents find beside the release's own: requirements as "
        "pip has them, or paths. `[tap-as-a-service, ./networking-foo]`.",
    )
    backend: Annotated[BackendName, OF_NEUTRON] = Field(
        default=DEFAULT_BACKEND,
        description="The plugin under test: one of the backends that are installed. `--backend` wins.",
    )
    auth: Annotated[Auth, OF_NEUTRON] = Field(
        default=DEFAULT_AUTH,
        description="Whom Neutron's API answers: who sends the lab's `token`, as `fakevm lab env` lets a shell do; "
        "users of a Keystone of the lab's own (`keystone`); or, with `none`, every user of the machine. `--auth` wins.",
    )
    compute_api: Annotated[bool, OF_NEUTRON] = Field(
        default=False,
        description="Whether there is a compute API, in Nova's place: `openstack server create` makes guests. It needs "
        "`auth: keystone`.",
    )
    project: Annotated[str, OF_NEUTRON] = Field(
        default=DEFAULT_PROJECT,
        description="With Keystone, the project that all resources of the file are in: `admin` by default, `demo`, "
        "`alt_demo` or `service`.",
    )
    datapath: Annotated[Datapath, OF_NEUTRON] = Field(
        default="auto",
        description="Where Open vSwitch forwards: `kernel`, `userspace`, or `auto`: in the kernel where it has the "
        "module. Linux bridges always do.",
    )
    firewall: Annotated[Firewall, OF_NEUTRON] = Field(
        default="openvswitch",
        description="The agents' firewall: `openvswitch`, `iptables_hybrid` (hybrid plugging, with a Linux bridge), "
        "`iptables` (of Linux bridges), `noop`. Each backend has some of them, and one of these as its default.",
    )
    warm: bool = Field(
        default=True,
        description="Whether Neutron's programs and FakeVM's are forked from processes that have imported them once: "
        "faster, and smaller. `false` starts each by itself; `FAKEVM_WARM=0` or `1` wins.",
    )
    services: Annotated[Services, OF_NEUTRON] = Field(
        default=(),
        description="Services of Neutron's beside routers, QoS and trunks: `[{name: mine, service_plugins: [mine], "
        "l2_extensions: [mine], packages: [./mine]}]`, or `devstack`.",
    )
    config: Annotated[Config, OF_NEUTRON] = Field(
        default={},
        description="Options of Neutron's programs, as in their own files: program, section, option. "
        "`{ovs_agent: {agent: {extensions: [qos, log]}}}`.",
    )
    physical_networks: Annotated[dict[Name, PhysicalNetwork], OF_NEUTRON] = Field(
        default=DEFAULT_PHYSICAL_NETWORKS,
        description="Networks that join provider bridges of all hosts, or of those that say so, by name.",
    )
    underlay: Annotated[UnderlayFile, OF_NEUTRON] = Field(
        default=UnderlayFile(), description="The network between the hosts, for their tunnels."
    )
    hosts: dict[Name, HostFile] = Field(default=DEFAULT_HOSTS, description="The hosts, by name; at least one.")
    outside: Annotated[OutsideFile, OF_NEUTRON] = Field(default=OutsideFile(), description="The world outside.")
    networks: dict[ResourceName, NetworkFile] = Field(default={}, description="Networks, by name.")
    address_scopes: dict[ResourceName, AddressScopeFile] = Field(
        default={}, description="Address scopes, by name, for subnet pools."
    )
    subnet_pools: dict[ResourceName, SubnetPoolFile] = Field(
        default={}, description="Subnet pools, by name, of which subnets are."
    )
    routers: dict[ResourceName, RouterFile] = Field(default={}, description="Routers, by name.")
    security_groups: dict[ResourceName, SecurityGroupFile] = Field(
        default={}, description="Security groups, by name; `default` is Neutron's own."
    )
    address_groups: dict[ResourceName, AddressGroupFile] = Field(
        default={}, description="Address groups, by name, for rules of security groups."
    )
    qos_policies: dict[ResourceName, QosPolicyFile] = Field(default={}, description="QoS policies, by name.")
    ports: dict[ResourceName, UnboundPortFile] = Field(
        default={}, description="Ports without a guest, by name: addresses that guests share."
    )
    guest_kind: Annotated[str, Field(min_length=1)] = Field(
        default=DEFAULT_KIND,
        description="How guests are made whose `kind` is not said, those of `create-port`, too. "
        "`FAKEVM_GUEST_KIND` wins.",
    )
    images: dict[Label, ImageFile] = Field(
        default={},
        description="Root file systems for guests that are containers, disks of those that are virtual machines, by "
        "name: a `file` each.",
    )
    guests: dict[Name, GuestFile] = Field(default={}, description="Guests, by name.")
    bridges: dict[Name, Bridge] = Field(default={}, description="Bridges that join interfaces of guests, by name.")
    links: dict[Name, LinkFile] = Field(default={}, description="Links between guests, by name.")
    generate: GenerateFile | None = Field(
        default=None,
        description="Guests and links that are made for it: `{leaf_spine: {spines: 4, leaves: 16}}`, `{ring: 8}`, "
        "`{mesh: 5}`, `{line: 4}`. `fakevm lab export` writes them out.",
    )
    floating_ips: dict[ResourceName, FloatingIpFile] = Field(default={}, description="Floating IPs, by name.")
    local_ips: dict[ResourceName, LocalIpFile] = Field(
        default={}, description="Local IPs, by name: addresses that lead to a port of the same host."
    )
    ndp_proxies: dict[ResourceName, NdpProxyFile] = Field(
        default={}, description="NDP proxies, by name: IPv6 addresses for which a router answers outside."
    )
    metering_labels: dict[ResourceName, MeteringLabelFile] = Field(
        default={}, description="Metering labels, by name: what routers count."
    )
    packet_logs: dict[ResourceName, PacketLogFile] = Field(
        default={}, description="Packet logs, by name: what security groups write down."
    )
    checks: dict[Label, CheckFile] = Field(default={}, description="Checks, by name.")

    @model_validator(mode="before")
    @classmethod
    def _written_out(cls, written: Any) -> Any:
        """Nobody chooses what stands in the place of a backend; what is to be generated is."""
        if not isinstance(written, Mapping):
            return written
        if written.get("neutron") is False and "backend" not in written:
            written = {**written, "backend": NO_BACKEND}
        return _with_kinds(generated(written))

    @field_validator("hosts", mode="before")
    @classmethod
    def _each_host(cls, hosts: object) -> object:
        return counted(hosts)

    @field_validator("hosts")
    @classmethod
    def _some_hosts(cls, hosts: dict[str, HostFile]) -> dict[str, HostFile]:
        if not hosts:
            raise ValueError("a lab needs at least one host")
        number = sum(host.count or 1 for host in hosts.values())
        if number > MOST_HOSTS:
            raise ValueError(f"a lab has at most {MOST_HOSTS} hosts, not {number}")
        for name, host in hosts.items():
            if host.count:
                raise ValueError(f"{name!r} is one of the hosts that another entry counts: it cannot be counted, too")
        for name, reason in RESERVED_HOSTS.items():
            if name in hosts:
                raise ValueError(f"a host cannot be called {name!r}: {reason}")
        return hosts

    @field_validator("networks")
    @classmethod
    def _unique_subnets(cls, networks: dict[str, NetworkFile]) -> dict[str, NetworkFile]:
        require_unique(tuple(name for network in networks.values() for name in network.subnets), "the subnet")
        return networks

    @classmethod
    def sections(cls) -> dict[str, type[ResourceFile]]:
        """Give the keys under which Neutron's resources are, by name, and what such a resource is."""
        values = {key: get_args(field.annotation)[-1:] for key, field in cls.model_fields.items()}
        return {key: v for key, (v,) in ((k, v) for k, v in values.items() if v) if _is_resource(v)}

    def resources(self) -> Iterator[tuple[str, str, ResourceFile]]:
        """Give Neutron's resources: each with its key in the file, and its name."""
        for key in self.sections():
            yield from ((key, name, value) for name, value in getattr(self, key).items())

    def home(self, guest: str) -> str:
        """Say on which host a guest is to be: where the file says, else the compute hosts take turns.

        Those that are in its physical networks, if there are any. Empty: there are no compute hosts.
        """
        if chosen := self.guests[guest].host:
            return chosen
        compute = [name for name, host in self.hosts.items() if "compute" in host.roles]
        networks = self.guests[guest].networks
        turns = [name for name in compute if all(self.reaches(name, n) for n in networks)] or compute
        return turns[list(self.guests).index(guest) % len(turns)] if turns else ""

    def reaches(self, host: str, network: str) -> bool:
        """Tell whether a host is in the physical network of a network, or of one of its segments, if it has any."""
        own = self.hosts[host].physical_networks
        needed = {piece.physical_network for piece in self.networks[network].pieces} - {None}
        return own is None or not needed or bool(needed.intersection(own))

    def version(self, host: str = "") -> str:
        """Give the release of a host's agents, else the server's; of a tree, the one whose libraries it runs with."""
        own = self.hosts[host].release if host in self.hosts else None
        return version_of(own or self.release)

    @property
    def service_plugins(self) -> tuple[str, ...]:
        """The service plugins that Neutron must have for the file's resources."""
        return tuple(sorted({kind.service_plugin for *_, value in self.resources() for kind in value.kinds} - {""}))

    @property
    def needed_services(self) -> tuple[str, ...]:
        """The services of Neutron's that the file's words need, whether it names them or not."""
        needed = [name for *_, value in self.resources() for name in value.services]
        if any(port.dns_name for guest in self.guests.values() for port in guest.on_networks):
            needed.append("dns")
        return tuple(dict.fromkeys(needed))

    @property
    def subnets(self) -> dict[str, SubnetFile]:
        """All subnets by name."""
        return {name: subnet for network in self.networks.values() for name, subnet in network.subnets.items()}

    def scope_of(self, subnet: SubnetFile) -> str | None:
        """Name the address scope that a subnet is in, by its pool; None: it is in none."""
        return self.subnet_pools[subnet.pool].scope if subnet.pool else None

    @property
    def external_networks(self) -> dict[str, NetworkFile]:
        """The networks that lead outside."""
        return {name: network for name, network in self.networks.items() if network.external}


def _is_resource(value: object) -> bool:
    return isclass(value) and issubclass(value, ResourceFile)
