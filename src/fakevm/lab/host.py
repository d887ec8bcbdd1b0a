"""An emulated host of a lab: its links, its programs, its configuration."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path

from fakevm import names
from fakevm.backend.base import Backend
from fakevm.host import folder as host_folder
from fakevm.host.folder import Link
from fakevm.model import config
from fakevm.model.lab import HostRecord
from fakevm.model.plan import HostPlan, LabPlan
from fakevm.model.program import Program
from fakevm.rpc.contract import AGENT_BINARY

from . import files, mtu, neutron, roles, warm, waves
from .config import given
from .files import Settings
from .part import Part, Run
from .services import loading as services

# What an agent's RPC servers, of which it has a dozen, do at once; 64 by default. Python lets one thread of a process
# run at a time, and those that wait for it wake every five milliseconds: when a hundred agents hear of a hundred
# others, that is all that the machine still does.
_THREADS = 4
# What agents of a backend read that have no file of their own.
_SHARED = "agent.ini"


def write(plan: LabPlan, host: HostPlan, backend: Backend, directory: Path) -> None:
    """Write all that a host starts from: links, configuration and its programs' folders."""
    folder = directory / "hosts" / host.name
    links, started = _links(plan, host, backend), warm.forked(plan, programs(plan, host, backend))
    host_folder.write(folder, host.name, links, _addresses(plan, host), started, seen_as=_home(host))
    for name, text in _configuration(plan, host, backend).items():
        files.write(folder / name, text)


def record(plan: LabPlan, host: HostPlan, backend: Backend) -> HostRecord:
    """Give what a lab's record says of a host."""
    return HostRecord(
        name=host.name,
        release=host.release,
        roles=host.roles,
        management_address=host.management_address,
        tunnel_address=host.tunnel_address,
        agents=(*backend.agents(plan, host), *_agents(plan, host, backend), AGENT_BINARY),
    )


def service(host: HostPlan, *, held: bool = False) -> Program:
    """The host itself, as a program of the lab; one that is ``held`` waits for its turn."""
    return Program(name=host.name, command=tuple(host_folder.command(host.name, _home(host))), held=held)


def coming(plan: LabPlan, host: HostPlan, backend: Backend) -> waves.Host:
    """The host as one that is to come up."""
    held = tuple(program.name for program in programs(plan, host, backend) if program.held)
    return waves.Host(record(plan, host, backend), held)


def programs(plan: LabPlan, host: HostPlan, backend: Backend) -> tuple[Program, ...]:
    """All programs of a host: the backend's, its roles', FakeVM's own agent."""
    found = list(backend.host_programs(plan, host))
    found += roles.programs(host.venv, backend, _agents(plan, host, backend), _home(host))
    read = config.arguments(_home(host), ("neutron.conf", "fakevm.ini") if plan.neutron else ("fakevm.ini",))
    agent = (f"{Path(sys.prefix)}/bin/{AGENT_BINARY}", *read)
    # Without a Neutron it has nobody to wait for.
    found.append(Program(name=AGENT_BINARY, command=agent, environment=_own_path(), held=plan.neutron))
    return given.marked(found, plan, host)


def _agents(plan: LabPlan, host: HostPlan, backend: Backend) -> tuple[str, ...]:
    """Name Neutron's agents that a host runs for its roles, and for the lab's services."""
    return (*backend.agents_of_roles(host), *services.agents(plan, host))


def _own_path() -> dict[str, str]:
    """Let the agent find the backends that we find: those in our PYTHONPATH, too."""
    folders = [str(Path(folder).absolute()) for folder in os.environ.get("PYTHONPATH", "").split(os.pathsep) if folder]
    return {"PYTHONPATH": os.pathsep.join(folders)} if folders else {}


def _home(host: HostPlan) -> str:
    return f"/run/fakevm/hosts/{host.name}"


def _configuration(plan: LabPlan, host: HostPlan, backend: Backend) -> dict[str, str]:
    own = {"host": host.name, "fakevm_agent_plugin": plan.backend, "state_path": f"{_home(host)}/agent"}
    if not plan.neutron:
        own["socket"] = f"{_home(host)}/agent/socket"
    fakevm = {"fakevm.ini": files.ini({"fakevm": own})}
    return {**fakevm, **(_neutrons_configuration(plan, host, backend) if plan.neutron else {})}


def _neutrons_configuration(plan: LabPlan, host: HostPlan, backend: Backend) -> dict[str, str]:
    return {
        "neutron.conf": files.ini(_common(plan, host)),
        **{name: files.ini(settings) for name, settings in _of_agents(plan, host, backend).items()},
        **given.of_agents(plan, host, _with_own_files(plan, host, backend), backend.python_path),
        # A user namespace with a single id has only root, and forbids setgroups(): an empty group means "leave it".
        "dnsmasq.conf": "user=root\ngroup=\n",
        **backend.host_files(plan, host),
    }


def _common(plan: LabPlan, host: HostPlan) -> Settings:
    """Give what all of Neutron's programs on a host read, and FakeVM's agent."""
    common = neutron.common_settings(plan)
    common["DEFAULT"] |= {"host": host.name}
    # Root already: no sudo, no rootwrap. At Neutron's own 30 seconds an agent would look dead now and then
    # (agent_down_time).
    # A dnsmasq, keepalived or haproxy that was killed is missed within a third of a minute, not a whole one.
    common |= {"AGENT": {"root_helper": "", "report_interval": 10, "check_child_processes_interval": 20}}
    if host.zone:
        common["AGENT"] |= {"availability_zone": host.zone}
    return common | _helpers(plan, host, ("neutron.conf",))


def _helpers(plan: LabPlan, host: HostPlan, read: Iterable[str]) -> Settings:
    """Let privsep's helpers read these files of the host: those of the agent that starts them."""
    helper = warm.privsep(host.venv / "bin", config.arguments(_home(host), read))
    (marked,) = given.marked([helper], plan, host)
    return {context: {"helper_command": warm.helper(plan, marked)} for context in neutron.PRIVSEP_CONTEXTS}


def _of_agents(plan: LabPlan, host: HostPlan, backend: Backend) -> dict[str, Settings]:
    """Give what Neutron's agents read beside that: each has a file of its own, others share ``agent.ini``."""
    of_roles = roles.settings(plan, host, backend.roles(host), _home(host), interface_driver=backend.interface_driver)
    shared = files.joined(
        {"DEFAULT": {"executor_thread_pool_size": _THREADS, **of_roles}}, backend.agent_settings(plan, host)
    )
    own = {
        config.own(binary): services.agent(
            plan,
            host,
            backend,
            binary,
            files.joined(
                shared, backend.own_settings(plan, host, binary), _helpers(plan, host, config.of_agent(binary))
            ),
        )
        for binary in _with_own_files(plan, host, backend)
    }
    is_shared = any(f"{_home(host)}/{_SHARED}" in program.command for program in programs(plan, host, backend))
    return own | ({_SHARED: shared} if is_shared else {})


def _with_own_files(plan: LabPlan, host: HostPlan, backend: Backend) -> list[str]:
    """Name the programs of a host that have files of their own: they are started with them."""
    started = {Path(program.command[0]).name: program.command for program in programs(plan, host, backend)}
    return [binary for binary, words in started.items() if f"{_home(host)}/{config.own(binary)}" in words]


def _links(plan: LabPlan, host: HostPlan, backend: Backend) -> list[Link]:
    """Join a host to the lab's bridges."""
    physical = [
        Link(names.physical_peer(host.index, net), names.physical_port(net), bridge, mtu.of(plan, net))
        for net, bridge in backend.physical_bridges_of(plan, host).items()
    ]
    return [
        Link(names.management_peer(host.index), "mgmt", "br-mgmt"),
        Link(names.underlay_peer(host.index), "underlay", "br-underlay", plan.underlay_mtu),
        *physical,
    ]


def _addresses(plan: LabPlan, host: HostPlan) -> list[str]:
    """Give the ``ip`` commands to run in the host's network namespace."""
    lines = [f"addr add {host.management_address}/16 dev mgmt"]
    if plan.kernel_datapath:
        lines.append(f"addr add {host.tunnel_address}/16 dev underlay")
    return lines


class Hosts(Part):
    """All hosts. The first of them start with the sandbox, their agents when Neutron answers."""

    name = "hosts"
    title = "agents"
    needs = ("broker", "server", "plugin")

    def write(self) -> None:
        """See Part."""
        for host in self.plan.hosts:
            write(self.plan, host, self.backend, self.plan.directory)

    def programs(self) -> tuple[Program, ...]:
        """See Part."""
        # The first of them can come up with the lab's services; more would only be in their way.
        return tuple(service(host, held=turn >= waves.at_once()) for turn, host in enumerate(self.plan.hosts))

    def inner_programs(self) -> tuple[Program, ...]:
        """See Part."""
        return tuple(program for host in self.plan.hosts for program in programs(self.plan, host, self.backend))

    def hosts(self) -> tuple[HostRecord, ...]:
        """See Part."""
        return tuple(record(self.plan, host, self.backend) for host in self.plan.hosts)

    def begin(self, run: Run) -> None:
        """See Part: they come up a few at a time, which is waited for."""

    def wait(self, run: Run) -> None:
        """See Part."""
        hosts = [coming(self.plan, host, self.backend) for host in self.plan.hosts]
        waves.bring_up(run.record, hosts, run.timeout, run.progress)
