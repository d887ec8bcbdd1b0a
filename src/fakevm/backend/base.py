"""What a backend gives a lab. Installed ones are found by the entry-point group ``fakevm.backends``."""

from __future__ import annotations

import functools
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import NamedTuple

from fakevm import names
from fakevm.errors import InvalidInput, NotFound
from fakevm.linux import kernel
from fakevm.linux.permission import needs_user_namespace
from fakevm.model.feature import Feature
from fakevm.model.labfile import LabFile
from fakevm.model.labfile.host import DEFAULT_HOSTS, Firewall, HostFile
from fakevm.model.labfile.options import Options
from fakevm.model.labfile.service import ServiceFile
from fakevm.model.nic import DEFAULT_NIC, NicKind
from fakevm.model.plan import HostPlan, LabPlan
from fakevm.model.program import Program
from fakevm.model.remark import Remark

Ini = Mapping[str, Mapping[str, object]]

GROUP = "fakevm.backends"
# What stands in a backend's place in a lab without Neutron. Nobody chooses it by its name, so it is not installed.
WITHOUT_NEUTRON = EntryPoint(names.NO_BACKEND, "fakevm.backend.none:NoNeutron", GROUP)
# Tenants' networks have tunnels of the numbers 1 to this one.
LAST_TUNNEL = 10000


class Requirement(NamedTuple):
    """A program that a backend calls, and the Debian package that has it."""

    program: str
    package: str


class Backend(ABC):
    """The pure description of a backend's part of a lab; nothing here does I/O.

    Paths in configuration are as seen in the lab: its folder is ``/run/fakevm``, a host's ``/run/fakevm/hosts/<host>``.

    A driver of one's own (an ML2 mechanism driver, say) need not be installed in Neutron's environment, nor may it be:
    name its folder in ``python_path``. ``pip install --no-deps --target FOLDER PROJECT`` makes such a folder, with the
    entry points by which Neutron finds the driver (``FOLDER/*.dist-info/entry_points.txt``).
    """

    #: what a lab file may tell it, under a key with its name; ``LabPlan.options`` has what one does
    options: type[Options] | None = None
    #: what it needs of the machine beyond what every lab needs
    requirements: tuple[Requirement, ...] = ()
    #: the hosts of a lab whose file names none
    default_hosts: Mapping[str, HostFile] = DEFAULT_HOSTS
    #: Neutron's agent for each role of a host that needs one; its binary
    role_agents: Mapping[str, str] = {
        "dhcp": "neutron-dhcp-agent",
        "l3": "neutron-l3-agent",
        "metadata": "neutron-metadata-agent",
    }
    #: roles of hosts that mean nothing with it, each with the reason
    idle_roles: Mapping[str, str] = {}
    #: folders in which Neutron's server and the agents of the hosts' roles find more modules and entry points: their
    #: PYTHONPATH. The modules run in Neutron's environment, so they may import only what that has
    python_path: tuple[Path, ...] = ()
    #: the firewalls that its hosts may have; the first is that of a host of which nothing else is said
    firewalls: tuple[Firewall, ...] = ("openvswitch", "iptables_hybrid", "noop")
    #: what makes its security groups instead of the hosts' firewalls, as Tempest's plugin calls it
    group_driver: str = ""
    #: modules that Neutron's server imports for it when it has read its configuration: a warmed process has them before
    #: (docs/adr/0034); what is left out costs memory and time, and nothing else
    server_imports: tuple[str, ...] = ()
    #: the programs that it may add to a lab: the names in ``lab_programs``
    programs: tuple[str, ...] = ()
    #: whether an agent on its hosts gives each port of br-int the tag of its network when it has wired it
    tags_ports: bool = False
    #: whether its hosts run an Open vSwitch; without one they forward in the kernel
    open_vswitch: bool = True
    #: the memory that each host takes with a guest on it, in MB
    host_memory: int = 110
    #: the program of its L2 agent, if its hosts have one that takes Neutron's extensions for L2 agents
    l2_agent: str = ""
    #: what interfaces of guests may be made of
    nics: tuple[NicKind, ...] = (DEFAULT_NIC,)
    #: services that FakeVM knows by their names and that with it consist of something else than of Neutron's agents
    services: Mapping[str, ServiceFile] = {}
    #: a line of shell that says on a host what its packet logs have written
    packet_log: str = "cat /run/neutron/network.log 2>/dev/null; true"
    #: the interface_driver of Neutron's DHCP and L3 agents
    interface_driver: str = "openvswitch"

    @property
    def lacks(self) -> Mapping[Feature, str]:
        """Features that a lab with it does not have, here, each with the reason."""
        return {}

    @functools.cached_property
    def polices(self) -> bool:
        """Whether this machine's kernel can limit what passes an L3 agent's router."""
        return _polices()

    def unpoliced(self) -> dict[Feature, str]:
        """Tell what backends lack whose routers are of L3 agents, where the kernel does not do its part."""
        why = "L3 agents need a kernel that polices traffic (act_police), which this one does not"
        return {} if self.polices else {"qos-of-routers": why}

    @property
    def routed_by_agents(self) -> bool:
        """Tell whether its routers are on hosts with the role l3, which run an agent for them."""
        return "l3" in self.role_agents and "l3" not in self.idle_roles

    def runs_on(self, version: str) -> bool:
        """Tell whether a version of Neutron has what this backend needs of it."""
        return True

    def understood(self, lab: LabFile) -> LabFile:
        """Give a lab file in this backend's words: others may need words for what it does anyway, and does not know."""
        return lab

    def check(self, plan: LabPlan) -> None:
        """Refuse a lab that this backend cannot make. Raises InvalidInput; ``at`` says which part of the file."""
        wrong = sorted({host.firewall for host in plan.hosts} - set(self.firewalls))
        if wrong:
            raise InvalidInput(
                f"hosts with the backend {plan.backend} cannot have the firewall {', '.join(wrong)}",
                hint=f"Leave 'firewall' out, or take one of: {', '.join(self.firewalls)}.",
                at=("firewall",),
            )

    def gaps(self, lab: LabFile, *, kernel_datapath: bool) -> tuple[Remark | str, ...]:
        """Say what a lab will not do though its file asks for it; it comes up all the same.

        A Remark says of which part of the file it is.
        """
        return ()

    @abstractmethod
    def ml2(self, plan: LabPlan) -> Ini:
        """Give the sections of the server's ``ml2.ini``."""

    def server_settings(self, plan: LabPlan) -> Ini:
        """Give what is the backend's own in the server's ``neutron.conf``."""
        return {"DEFAULT": {"service_plugins": "router,qos,trunk"}}

    def physical_bridges(self, plan: LabPlan) -> Mapping[str, str]:
        """Give the lab's bridges that join the hosts, by physical network."""
        return {net: names.physical_network_bridge(net) for net in plan.physical_networks}

    def physical_bridges_of(self, plan: LabPlan, host: HostPlan) -> Mapping[str, str]:
        """Give those of them to which a host gets a link: a backend's own bridges join all."""
        away = set(plan.physical_networks).difference(plan.physical_networks_of(host))
        return {net: bridge for net, bridge in self.physical_bridges(plan).items() if net not in away}

    def environment(self) -> dict[str, str]:
        """Give the environment variables of Neutron's programs."""
        return {"PYTHONPATH": ":".join(map(str, self.python_path))} if self.python_path else {}

    def lab_programs(self, plan: LabPlan) -> tuple[Program, ...]:
        """Give the programs of the lab itself.

        Those that are ``held`` start once Neutron's server serves, ``late`` ones when all agents are alive.
        """
        return ()

    @abstractmethod
    def agent_settings(self, plan: LabPlan, host: HostPlan) -> Ini:
        """Give the sections that all Neutron agents of a host read."""

    def own_settings(self, plan: LabPlan, host: HostPlan, binary: str) -> Ini:
        """Give the sections that one of Neutron's agents alone reads, beside the others; ``binary`` is its program."""
        return {}

    @abstractmethod
    def host_files(self, plan: LabPlan, host: HostPlan) -> dict[str, str]:
        """Give the files of a host: name in the host's folder → text."""

    @abstractmethod
    def host_programs(self, plan: LabPlan, host: HostPlan) -> tuple[Program, ...]:
        """Give the programs of a host. Those that are ``held`` start once Neutron's server serves."""

    @abstractmethod
    def agents(self, plan: LabPlan, host: HostPlan) -> tuple[str, ...]:
        """Name the binaries whose agents Neutron must report alive before the host is ready."""

    def roles(self, host: HostPlan) -> frozenset[str]:
        """Give the roles of a host that mean something with this backend."""
        return frozenset(host.roles) - frozenset(self.idle_roles)

    def agents_of_roles(self, host: HostPlan) -> tuple[str, ...]:
        """Name the binaries of Neutron's agents that a host runs for its roles."""
        return tuple(binary for role, binary in self.role_agents.items() if role in self.roles(host))


def unknown_domains(lab: LabFile) -> Iterator[Remark]:
    """Find networks' domains of which DHCP agents know nothing.

    Their servers know ports in the server's own domain alone (29.0.0, DNSExtensionDriver._get_dns_names_for_port).
    """
    for name, net in lab.networks.items():
        if net.dns_domain:
            what = f"nobody answers for names in {net.dns_domain}: DHCP's servers know ports in the lab's domain alone"
            yield Remark(what, ("networks", name, "dns_domain"))


def vlan_ranges(plan: LabPlan) -> list[str]:
    """Write what ML2's ``network_vlan_ranges`` says of a lab's physical networks."""
    return [
        f"{name}:{net.vlans[0]}:{net.vlans[1]}" if net.vlans else name for name, net in plan.physical_networks.items()
    ]


def _found() -> tuple[EntryPoint, ...]:
    return _found_in(tuple(sys.path))


@functools.cache
def _found_in(path: tuple[str, ...]) -> tuple[EntryPoint, ...]:
    """Look into every distribution that is installed, once: a lab file asks several times, and each takes its time."""
    return tuple(entry_points(group=GROUP))


def installed() -> dict[str, Backend]:
    """Load all installed backends, by name."""
    return {point.name: point.load()() for point in _found()}


def installed_names() -> list[str]:
    """Name the installed backends; none is loaded."""
    return sorted(point.name for point in _found())


@functools.cache
def _polices() -> bool:
    return not kernel.missing(kernel.POLICE, user=needs_user_namespace())


def load(name: str) -> Backend:
    """Load an installed backend. Raises NotFound, naming those that are installed."""
    if name == WITHOUT_NEUTRON.name:
        return WITHOUT_NEUTRON.load()()  # type: ignore[no-any-return]
    found = {point.name: point for point in _found()}
    if name not in found:
        raise NotFound(
            f"there is no backend {name!r}",
            hint=f"Installed backends: {', '.join(installed_names()) or 'none'}.",
        )
    backend: Backend = found[name].load()()
    return backend
