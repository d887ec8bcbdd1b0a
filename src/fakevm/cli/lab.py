"""The commands on labs: up, list, status, logs, env."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fakevm import tool
from fakevm.backend import base as backends
from fakevm.backend.base import Backend
from fakevm.cli import argument, fold
from fakevm.cli.app import lab_of
from fakevm.cli.command import Command, Lister, ShowOne
from fakevm.cli.exec_local import become
from fakevm.cli.help import with_examples
from fakevm.cli.openstack import NO_LAB
from fakevm.cli.output import Hosts
from fakevm.cli.steps import ShownSteps
from fakevm.control import credentials
from fakevm.doctor import programs
from fakevm.errors import FakevmError, InvalidInput, Prerequisite
from fakevm.lab import lifecycle, logs, observation, reading, registry
from fakevm.lab.observation import SeenProgram
from fakevm.lab.roles import requirements
from fakevm.lab.settle import kinds
from fakevm.lab.topology.routing import daemons as routing
from fakevm.linux.kernel import SEARCH_PATH
from fakevm.model.lab import LabRecord
from fakevm.model.labfile import LabFile
from fakevm.model.labfile.auth import AUTHS


def _add_name(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", nargs="?", help="the lab; needless while one runs")


class LabUp(ShowOne):
    """Start a lab: a whole Neutron, and emulated hosts with unmodified agents.

    Without FILE: two compute hosts and a network host that runs the DHCP agent, and VXLAN and VLAN networks on
    Open vSwitch; or, with --backend, the hosts and networks of that backend. Where FILE says `neutron: false` there
    are hosts, guests and links alone.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Declare the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("file", metavar="FILE", nargs="?", type=Path, help="the lab file (YAML)")
        parser.add_argument("--name", metavar="NAME", help="the lab's name, instead of the file's")
        parser.add_argument("--backend", metavar="BACKEND", help="the plugin under test, instead of the file's")
        parser.add_argument(
            "--auth", choices=AUTHS, help="whom Neutron's API answers, instead of the file's (default: token)"
        )
        parser.add_argument(
            "--api-port",
            metavar="PORT",
            type=argument.whole("a port", 1, 65535),
            default=0,
            help="the loopback port of Neutron's API (default: a free one)",
        )
        argument.add_timeout(parser, "the longest wait for each step")
        with_examples(parser, "fakevm lab up", "fakevm lab up --backend ovn", "fakevm lab up my-lab.yaml --name second")
        return parser

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Start it, show it, and tell people what to do next."""
        status = int(super().run(parsed_args))
        if parsed_args.formatter == "table":
            print(self._next, file=self.app.stderr)
        return status

    _next = ""

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        """Start it."""
        name = parsed_args.name or getattr(self.app.options, "lab", None)
        written = reading.load(parsed_args.file, name=name, backend=parsed_args.backend, auth=parsed_args.auth)
        need_programs(written.lab, backends.load(written.lab.backend))
        options = {"api_port": parsed_args.api_port, "timeout": parsed_args.timeout}
        with ShownSteps() as steps:
            record = lifecycle.up(written.lab, steps, **options, place=written.place)
        self._next = next_commands(written.lab)
        seconds = {title: round(taken, 2) for title, taken in steps.steps}
        return (
            ("name", "endpoint", "hosts", "release", "backend", "datapath", "directory", "seconds"),
            (
                record.name,
                record.endpoint,
                Hosts(", ".join(host.name for host in record.hosts)),
                record.release,
                record.backend,
                record.datapath,
                str(record.directory),
                round(sum(seconds.values()), 1),
            ),
        )

    def done(self, column_names: Any, data: Any) -> str:
        """See Lister."""
        return f"The lab is up all the same: fakevm lab status {data[0]}"


def next_commands(lab: LabFile) -> str:
    """Say what to do with a lab that has come up: two commands, and what they are for."""
    others = [name for name in registry.names() if name != lab.name]
    name, option = (f" {lab.name}", f"--lab {lab.name} ") if others else ("", "")
    rows = [(f'eval "$(fakevm lab env{name})"', "for the openstack client")] if lab.neutron else []
    if lab.checks:
        rows.append((f"fakevm {option}check", "is it as its file says?"))
    elif lab.guests:
        rows.append((f"fakevm {option}exec {next(iter(lab.guests))} -- ip address", "a command in a guest"))
    elif not lab.neutron:
        rows.append((f"fakevm {option}lab apply FILE", "guests and links, once the file has some"))
    else:
        rows.append(("openstack network create private", "then a subnet, and fakevm create-port"))
    width = max(len(command) for command, _ in rows)
    return "\n".join(["Next:", *(f"  {command:{width}}  {does}" for command, does in rows)])


def need_programs(lab: LabFile, backend: Backend) -> None:
    """Raise Prerequisite that names every missing program and its package."""
    own = [p for p in programs.PROGRAMS if p.required and (lab.neutron or not p.of_neutron)]
    needed = {p.name: p.package for p in own} | dict(backend.requirements)
    needed |= dict(requirements(backend, lab))
    missing = {name: needed[name] for name in needed if not shutil.which(name, path=SEARCH_PATH)}
    if missing:
        packages = " ".join(sorted(set(missing.values())))
        raise Prerequisite(
            f"not installed: {', '.join(f'{name} (package {package})' for name, package in missing.items())}",
            hint=f"As root: apt-get install {packages}. See also: fakevm doctor",
        )
    for program in (*routing.programs(lab), *kinds.tools(lab)):
        tool.find(program)


class LabList(Lister):
    """List the labs."""

    first = ("name", "state", "backend", "release", "hosts", "endpoint")

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Declare the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        with_examples(parser, "fakevm lab list", "fakevm lab list -f value -c name")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        """Look at their records and processes."""
        rows = [_summary(name, registry.find(name)) for name in registry.names()]
        return ("name", "state", "hosts", "release", "backend", "endpoint", "directory"), rows


def _summary(name: str, r: LabRecord | None) -> tuple[object, ...]:
    if r is None:
        return (name, "unreadable", "", "", "", "", str(registry.root() / name))
    return (r.name, observation.state(r), len(r.hosts), r.release, r.backend, r.endpoint, str(r.directory))


class LabStatus(Lister):
    """List the programs of a lab and its hosts: running since when, and whether Neutron sees the agents alive.

    What is wrong is told with the command that mends it. The hosts' switches are asked, too: an agent may be alive, and
    the ports that it made be gone. Of a lab with many hosts, those that are alike are one line of a table.
    """

    first = ("host", "program", "state", "agent", "restarts")

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Declare the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        _add_name(parser)
        fold.add_all(parser, "program of every host")
        with_examples(parser, "fakevm lab status", "fakevm lab status --all", "fakevm lab status -f json")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        """Look at them."""
        record = registry.choose(parsed_args.name or lab_of(self.app, parsed_args))
        seen = observation.programs(record)
        columns = ("host", "program", "state", "for_seconds", "agent", "restarts", "problem", "mend")
        if fold.is_wanted(parsed_args, seen):
            seen = _folded(seen, [host.name for host in record.hosts])
        self._wrong = [p for p in seen if p.problem]
        rows = [(p.host, p.program, p.state, p.seconds, p.agent, p.restarts, p.problem, p.mend) for p in seen]
        if self._below(parsed_args):
            return columns[:-2], [row[:-2] for row in rows]
        return columns, rows

    def produce_output(self, parsed_args: argparse.Namespace, column_names: Any, data: Any) -> int:
        """Show them; what is wrong, and what mends it, below a table that people read."""
        status = int(super().produce_output(parsed_args, column_names, data))
        if self._below(parsed_args):
            for p in self._wrong:
                name = f"{p.host}/{p.program}".removeprefix("/")
                self.app.stdout.write(f"{name}: {p.problem}\n  mend it: {p.mend}\n")
        return status

    @staticmethod
    def _below(parsed_args: argparse.Namespace) -> bool:
        return parsed_args.formatter == "table" and not parsed_args.columns


def _folded(seen: Sequence[SeenProgram], hosts: Sequence[str]) -> list[SeenProgram]:
    """Show programs that are alike on many hosts as one, and so the hosts themselves, which are programs of the lab."""

    def alike(p: SeenProgram) -> object:
        is_host = not p.host and p.program in hosts
        what = "" if is_host else p.program
        return is_host, bool(p.host), what, p.state, p.agent, p.problem

    turn = {host: number for number, host in enumerate(hosts)}
    inside = sorted(seen, key=lambda p: turn.get(p.host, turn.get(p.program, -1)))
    return [_one_of(group) for group in fold.groups(inside, alike)]


def _one_of(group: Sequence[SeenProgram]) -> SeenProgram:
    first = group[0]
    if len(group) == 1:
        return first
    column = "host" if first.host else "program"
    named = {column: fold.counted([getattr(p, column) for p in group])}
    mend = f"{first.mend}, and so on" if first.mend else ""
    seconds, restarts = min(p.seconds for p in group), sum(p.restarts for p in group)
    return first._replace(**named, seconds=seconds, restarts=restarts, mend=mend)


class LabLogs(Command):
    """Show what the programs of a lab wrote."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Declare the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument(
            "program", metavar="PROGRAM", nargs="?", default="",
            help="such as neutron-api, compute1/neutron-openvswitch-agent, or compute1 for all of a host's",
        )  # fmt: skip
        parser.add_argument("-f", "--follow", action="store_true", help="go on showing what they write, until Ctrl-C")
        parser.add_argument(
            "-n",
            "--lines",
            metavar="N",
            type=argument.whole("a number of lines", 0, 10**9),
            default=20,
            help="last lines of each (default: 20)",
        )
        with_examples(parser, "fakevm lab logs neutron-api -f", "fakevm lab logs compute1 -n 100")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Show them; a lab that failed still has its logs."""
        record = registry.with_logs(lab_of(self.app, parsed_args))
        files = logs.find(record, parsed_args.program)
        follow = ["--follow"] if parsed_args.follow else []
        become(["tail", f"--lines={parsed_args.lines}", *follow, "--", *map(str, files)])


class LabEnv(Command):
    """Print what makes a shell use the lab: eval "$(fakevm lab env)"."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Declare the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        _add_name(parser)
        parser.add_argument(
            "--user", metavar="USER", default="",
            help="with Keystone: as whom, such as demo (default: admin)",
        )  # fmt: skip
        with_examples(
            parser, 'eval "$(fakevm lab env)" && openstack network agent list', 'eval "$(fakevm lab env --user demo)"'
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Print it. Without a lab, print what makes ``eval`` fail, and no other cloud be taken for the lab."""
        wanted = parsed_args.name or lab_of(self.app, parsed_args)
        try:
            record = registry.choose(wanted)
            if not record.neutron:
                raise InvalidInput(f"lab {record.name!r} has no Neutron for the openstack client to use")
            variables = credentials.variables(record, parsed_args.user)
        except FakevmError as problem:
            named = {"FAKEVM_LAB": wanted} if wanted else {}
            _write_environment({**named, NO_LAB: ". ".join(filter(None, (problem.what, problem.hint)))}, "false")
            raise
        _write_environment({**variables, "FAKEVM_LAB": record.name})


def _write_environment(wanted: Mapping[str, str], *further: str) -> None:
    """Write the shell's commands that give it these variables, and none of another lab or cloud."""
    other = {name for name in os.environ if name.startswith("OS_") or name in ("FAKEVM_LAB", NO_LAB)}
    lines = [f"unset {name}" for name in sorted(other | {"OS_CLOUD", "OS_AUTH_URL"}) if name not in wanted]
    lines += [f"export {name}={shlex.quote(value)}" for name, value in wanted.items()]
    sys.stdout.write("\n".join((*lines, *further)) + "\n")
