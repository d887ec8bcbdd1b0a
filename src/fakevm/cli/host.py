"""The commands on emulated hosts: of labs, and those that agents built without one (``enable_multi_node_emulate``)."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fakevm.cli import argument, fold
from fakevm.cli.app import lab_of
from fakevm.cli.command import Command, Lister
from fakevm.cli.exec_local import run_in
from fakevm.cli.help import with_examples
from fakevm.errors import InvalidInput, NotFound
from fakevm.host import machine
from fakevm.lab import fault, registry
from fakevm.model.lab import LabRecord


class HostList(Lister):
    """List the emulated hosts: of the labs that run, or of the one that is named, and those built without a lab.

    Of many, those that are alike are one line of a table.
    """

    first = ("name", "state", "lab", "roles")

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Declare the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        fold.add_all(parser, "host")
        with_examples(parser, "fakevm host list", "fakevm host list --all", "fakevm --lab second host list -f json")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        """Look at their folders and processes."""
        name = lab_of(self.app, parsed_args)
        rows = [row for lab in ([registry.choose(name)] if name else registry.running()) for row in _of_lab(lab)]
        for host, pid in machine.listed():
            rows.append((host, "running" if pid else "dead", "", "", str(machine.root() / host)))
        if fold.is_wanted(parsed_args, rows):
            rows = [_one_of(group) for group in fold.groups(rows, lambda row: row[1:4])]
        return ("name", "state", "lab", "roles", "directory"), rows


def _one_of(group: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    folder = group[0][-1] if len(group) == 1 else str(Path(group[0][-1]).parent)
    return (fold.counted([name for name, *_ in group]), *group[0][1:-1], folder)


def _of_lab(lab: LabRecord) -> list[tuple[str, ...]]:
    states = fault.states(lab)
    return [
        (host.name, states[host.name], lab.name, ", ".join(host.roles), str(lab.host_directory(host.name)))
        for host in lab.hosts
    ]


class HostExec(Command):
    """Run a command on an emulated host of this machine, such as Neutron's agent for it."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Declare the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("host", metavar="HOST", type=argument.host, help="the host")
        parser.add_argument("command", metavar="CMD", nargs=argparse.REMAINDER, help="the command, after --")
        with_examples(
            parser,
            "fakevm host exec guest3 -- neutron-openvswitch-agent --config-file /etc/neutron/neutron.conf",
            "fakevm host exec guest3 -- bash",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Become the command."""
        words = parsed_args.command[parsed_args.command[:1] == ["--"] :]
        if not words:
            raise InvalidInput("which command?", hint="fakevm host exec HOST -- COMMAND")
        run_in([*machine.enter(parsed_args.host), "env"], words)


class HostDown(Command):
    """End an emulated host of this machine, with its guests; or, with --machine, undo what joins the real one."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Declare the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("host", metavar="HOST", type=argument.host, nargs="?", help="the emulated host")
        which.add_argument("--machine", action="store_true", help="the links of the machine's own provider bridges")
        with_examples(parser, "fakevm host down guest3", "fakevm host down --machine")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Remove it."""
        if parsed_args.machine:
            machine.leave_machine()
        elif not machine.down(parsed_args.host):
            known = ", ".join(name for name, _ in machine.listed()) or "none"
            raise NotFound(f"there is no emulated host {parsed_args.host!r} here", hint=f"There are: {known}.")
