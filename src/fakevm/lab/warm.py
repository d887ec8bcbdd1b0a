"""Warmed processes of a lab: one for each Python environment, which forks that environment's programs (ADR 0034).

What stands in a program's place under its supervisor, and what is forked, is in ``in_neutron/fakevm_warm``.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import socket
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from fakevm import release
from fakevm.errors import InvalidInput
from fakevm.linux import supervision
from fakevm.model.labfile import LabFile
from fakevm.model.plan import LabPlan, is_threaded
from fakevm.model.program import Program

from . import files, kept
from .environment import HOME, OWN, Environment

VARIABLE = "FAKEVM_WARM"
_MARK = "warm-"
_PACKAGE = "fakevm_warm"
_HELPER = "privsep-helper"
# A word that lets modules find an option of oslo.config set while they are imported.
_DEBUG = "+debug"
# Titles of programs are written over the words that a warmed process is started with: room for long ones (bytes).
_ROOM = 600

# What programs import late, that is, when they have read their configuration: seen in sys.modules of a lab's programs
# (29.0.0). What is missing here, or in another release, costs memory and time, and nothing else.
_RPC = ("oslo_messaging._drivers.impl_rabbit", "kombu.transport.pyamqp")
_SERVER = (
    "neutron",
    *_RPC,
    "MySQLdb.connections",
    "MySQLdb.converters",
    "keystoneauth1.loading._plugins.admin_token",
    "neutron.conf.policies",
    "neutron.db.quota.driver_nolock",
    "neutron.notifiers.nova",
    "neutron.plugins.ml2.drivers.type_flat",
    "neutron.plugins.ml2.drivers.type_vlan",
    "neutron.plugins.ml2.extensions.port_security",
    "neutron.plugins.ml2.plugin",
    "neutron.scheduler.dhcp_agent_scheduler",
    "neutron.scheduler.l3_agent_scheduler",
    "neutron.services.auto_allocate.plugin",
    "neutron.services.flavors.flavors_plugin",
    "neutron.services.logapi.common.sg_validate",
    "neutron.services.network_ip_availability.plugin",
    "neutron.services.network_segment_range.plugin",
    "neutron.services.qos.qos_plugin",
    "neutron.services.revisions.revision_plugin",
    "neutron.services.tag.tag_plugin",
    "neutron.services.timestamp.timestamp_plugin",
    "neutron.services.trunk.plugin",
    "multiprocessing.popen_fork",
    "multiprocessing.synchronize",
)
_LATE: Mapping[str, tuple[str, ...]] = {
    "uwsgi": (
        *_SERVER,
        "neutron.api.v2.router",
        "neutron.auth",
        "neutron.ipam.drivers.neutrondb_ipam.driver",
        "neutron.pecan_wsgi.app",
        "neutron.pecan_wsgi.controllers.root",
        "neutron.pecan_wsgi.startup",
        "neutron.server.api",
        "novaclient.v2.client",
        "oslo_middleware.healthcheck.disable_by_file",
        "paste.urlmap",
    ),
    "neutron-rpc-server": _SERVER,
    "neutron-periodic-workers": _SERVER,
    "neutron-ovn-maintenance-worker": _SERVER,
    "neutron-openvswitch-agent": (
        *_RPC,
        "neutron.agent.l2.extensions.qos",
        "neutron.agent.linux.openvswitch_firewall",
        "neutron.plugins.ml2.drivers.openvswitch.agent.extension_drivers.qos_driver",
        "neutron.plugins.ml2.drivers.openvswitch.agent.openflow.native.ovs_oskenapp",
        "neutron.services.trunk.drivers.openvswitch.agent.driver",
        "os_ken.app.ofctl.service",
        "os_ken.controller.ofp_handler",
        "oslo_service.systemd",
    ),
    "neutron-dhcp-agent": (
        *_RPC,
        "multiprocessing.popen_fork",
        "multiprocessing.synchronize",
        "neutron.agent.dhcp.agent",
        "neutron.agent.linux.dhcp",
        "neutron.agent.linux.interface",
        "neutron.agent.metadata.driver",
        "neutron.cmd.runtime_checks",
    ),
    "neutron-l3-agent": (
        *_RPC,
        "neutron.agent.l3.agent",
        "neutron.agent.l3.dvr_edge_ha_router",
        "neutron.agent.linux.interface",
        "neutron.agent.metadata.driver",
    ),
    "neutron-metadata-agent": (*_RPC, "neutron.agent.metadata.agent"),
    "neutron-ovn-agent": ("neutron.agent.ovn.agent.ovn_neutron_agent", "neutron.agent.ovn.extensions.metadata"),
    "privsep-helper": ("neutron.privileged.agent.linux.ip_lib", "neutron.privileged.agent.ovsdb.native.helpers"),
    "neutron-fakevm-agent": (
        "fakevm.agent.whole",
        "fakevm.guest.address",
        "fakevm.guest.dhcp",
        "fakevm.probe.icmp",
        "vif_plug_ovs.ovsdb.impl_idl",
    ),
}


def is_wanted(lab: LabFile) -> bool:
    """Tell whether a lab is to have warmed processes: its file says it, or the environment. Raises InvalidInput."""
    said = os.environ.get(VARIABLE, "")
    if said not in ("", "0", "1"):
        raise InvalidInput(f"{VARIABLE} is {said!r}", hint="Set it to 0 (every program starts by itself) or 1.")
    return said == "1" if said else lab.warm


def environment(plan: LabPlan, program: Program) -> Environment | None:
    """Find the environment from which a program can be forked; None: it starts by itself."""
    command = Path(program.command[0])
    is_python = command.name.startswith("python") and program.command[1:2] == ("-m",)
    if program.command[1:3] == ("-m", _PACKAGE) or not (is_python or _is_script(command)):
        return None
    if not plan.warm or program.alone or command.parent in _eventlets(plan):
        return None
    return Environment(command.parent, program.environment.get("PYTHONPATH", ""), program.debug)


def forked(plan: LabPlan, programs: Iterable[Program]) -> Iterator[Program]:
    """Give programs as they are supervised: those that can be forked begin with what asks for them."""
    for program in programs:
        place = environment(plan, program)
        command = (*place.asking(place.folder), *program.command) if place else program.command
        yield program.model_copy(update={"command": command})


def helper(plan: LabPlan, program: Program) -> str:
    """Give the command that starts a privsep helper (``privsep``), as oslo.privsep splits it."""
    (one,) = forked(plan, [program])
    return shlex.join(one.command)


def privsep(folder: Path, arguments: Iterable[str] = ()) -> Program:
    """Give a privsep helper of an environment, by the folder of its programs.

    ``arguments`` name its configuration: that of the agent that starts it.
    """
    return Program(name=_HELPER, command=(f"{folder}/{_HELPER}", *arguments))


def write(plan: LabPlan, others: Iterable[Program], directory: Path) -> None:
    """Write the warmed processes for these programs of a lab and its hosts; those that are there are left alone.

    Their sockets' folders are made here: stubs, which may come first, do not wait where there is none.
    """
    for place, program in warmed(plan, others).items():
        if not (directory / "service" / program.name).exists():
            _make_folder(directory, place.folder)
            supervision.write(directory / "service", program, f"/run/fakevm/log/{program.name}.log")


def _make_folder(directory: Path, folder: str) -> None:
    made = directory / "warm" / folder.removeprefix(f"{HOME}/")
    for part in reversed((made, *made.parents)):
        if part.is_relative_to(directory / "warm"):
            part.mkdir(mode=0o700, exist_ok=True)


def follow(directory: Path, old: Path, new: Path) -> None:
    """Let programs that go from one environment to another (``upgrade``) find a warmed process there, too.

    A lab without warmed processes, or a release that cannot be forked, has none.
    """
    before, after = old.parent.name, new.parent.name
    for run in directory.glob(f"service/{_MARK}{before}*/run"):
        name = run.parent.name.replace(before, after)
        made = directory / "service" / name
        if made.exists() or not is_threaded(after):
            continue
        text = run.read_text().replace(f"{old}/", f"{new}/").replace(f"/{run.parent.name}.log", f"/{name}.log")
        command = shlex.split(text.rpartition("\nexec ")[2])
        _make_folder(directory, next(word for word in command if word.startswith(f"{HOME}/")))
        shutil.copytree(run.parent, made, ignore=shutil.ignore_patterns("supervise", "event", "group", "down"))
        files.write(made / "run", text, 0o755)
        supervision.rescan(directory / "service")


def keep(place: Environment, idle: float = kept.IDLE, owner: int | None = None) -> bool:
    """Keep a warmed process for an environment beyond labs, that is, all that any lab would import there.

    As ``kept.start``, which does it, tells and raises.
    """
    own = sorted(place.programs.glob("neutron-fakevm-*"))
    neutrons = [program for name in _LATE if (program := place.programs / name).exists()]
    scripts = own if place.programs == OWN else neutrons
    words = _ordered(word for program in scripts for word in (str(program), *_LATE.get(program.name, ())))
    return kept.start(place, (*words, "_" * _ROOM), idle, owner)


def kept_for(version: str) -> list[Environment]:
    """List the environments that labs of a release fork from: Neutron's, if it can be forked, and FakeVM's own."""
    neutrons = [Environment(release.path(version) / "bin", "")] if is_threaded(version) else []
    return [*neutrons, Environment(OWN, "")]


def has(directory: Path) -> bool:
    """Tell whether a lab has warmed processes."""
    return (directory / "warm").exists()


def knock(directory: Path) -> None:
    """Let a lab's warmed processes look whether what they imported has changed: then they import anew at once.

    Who restarts a program after an edit need not wait for that when the old program has ended.
    """
    for door in (directory / "warm").rglob("socket"):
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as conversation:
            opened = os.open(door.parent, os.O_PATH | os.O_DIRECTORY)
            try:
                conversation.setblocking(False)
                # Names of sockets have 108 bytes at most; folders have longer ones.
                conversation.connect(f"/proc/self/fd/{opened}/socket")
            finally:
                os.close(opened)


def is_one(program: str) -> bool:
    """Tell whether a program of a lab is a warmed process, by its name."""
    return program.startswith(_MARK)


def warmed(plan: LabPlan, others: Iterable[Program]) -> dict[Environment, Program]:
    """Give the warmed processes for all these programs of a lab and its hosts."""
    found: dict[Environment, list[str]] = {}
    for program in others:
        if place := environment(plan, program):
            found.setdefault(place, []).extend(_words(program))
    for folder in {h.venv / "bin" for h in plan.hosts}:
        alone = environment(plan, privsep(folder))
        with_agents = [place for place in found if place.debug and place.programs == folder]
        for place in with_agents or ([alone] if alone else []):
            found.setdefault(place, []).extend(_words(privsep(folder)))
    return {place: _program(place, words) for place, words in found.items()}


def late(binary: str) -> tuple[str, ...]:
    """Name modules that a program imports when it has read its configuration."""
    return _LATE.get(binary, ())


def _program(place: Environment, words: Iterable[str]) -> Program:
    debug = (_DEBUG,) if place.debug else ()
    command = (f"{place.programs}/python", "-m", _PACKAGE, place.folder, *debug, *_ordered(words), "_" * _ROOM)
    return Program(
        name=_MARK + place.name,
        command=(*kept.asking(place), *command),
        environment={"PYTHONPATH": place.search_path},
        held=False,
    )


def _ordered(words: Iterable[str]) -> list[str]:
    # What programs import themselves comes first: oslo.service is whatever it is used as first (29.0.0, neutron's own
    # __init__ makes it threading), and what is late in them must not be early here.
    return sorted(dict.fromkeys(words), key=lambda word: not (word.startswith("-m") or "/" in word))


def _words(program: Program) -> Iterator[str]:
    """Name what a program imports."""
    command = program.command
    yield f"-m{command[2]}" if command[1:2] == ("-m",) else command[0]
    yield from _LATE.get(Path(command[0]).name, ())
    yield from program.imports


def _eventlets(plan: LabPlan) -> set[Path]:
    """Name the environments whose programs eventlet changes before all imports: they cannot be forked later."""
    releases = {plan.venv: plan.release, **{h.venv: h.release for h in plan.hosts}}
    return {venv / "bin" for venv, release in releases.items() if not is_threaded(release)}


def _is_script(command: Path) -> bool:
    """Tell whether a program is a script for the Python of its own folder."""
    if not command.is_absolute():
        return False
    try:
        with command.open("rb") as file:
            # Or python3, python3.11: installers differ.
            return file.readline().startswith(os.fsencode(f"#!{command.parent}/python"))
    except OSError:
        return False
