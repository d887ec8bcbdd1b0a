"""``fakevm lab exec|shell``: commands on hosts of a lab."""

from __future__ import annotations

import argparse
import os

from fakevm.cli import argument
from fakevm.cli.app import lab_of
from fakevm.cli.command import Command
from fakevm.cli.exec_local import run_in
from fakevm.cli.help import with_examples
from fakevm.errors import InvalidInput, NotFound
from fakevm.lab import client, registry, sandbox
from fakevm.linux.kernel import SEARCH_PATH
from fakevm.model.lab import LabRecord
from fakevm.model.series import spans


class LabExec(Command):
    """Run a command on a host of the lab, as its root."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Declare the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        _add_host(parser)
        parser.add_argument("command", metavar="CMD", nargs=argparse.REMAINDER, help="the command, after --")
        with_examples(
            parser, "fakevm lab exec compute1 -- ovs-vsctl show", "fakevm lab exec outside/client -- ip address"
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Become the command."""
        record = registry.choose(lab_of(self.app, parsed_args))
        words = parsed_args.command[parsed_args.command[:1] == ["--"] :]
        if not words:
            raise InvalidInput("which command?", hint="fakevm lab exec HOST -- COMMAND")
        run_in([*_enter(record, parsed_args.host), "env", f"PATH={SEARCH_PATH}"], words)


class LabShell(Command):
    """Open a shell on a host of the lab, as its root, or in a client of the world outside: outside/client."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Declare the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        _add_host(parser)
        with_examples(parser, "fakevm lab shell compute1", "fakevm lab shell outside/client")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Become the shell: that of the user who asks, if there is one."""
        record = registry.choose(lab_of(self.app, parsed_args))
        shell = os.environ.get("SHELL") or "sh"
        run_in([*_enter(record, parsed_args.host), "env", f"PATH={SEARCH_PATH}"], [shell])


def _add_host(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "host",
        metavar="HOST",
        type=argument.host_or_client,
        help="the host, `lab` for the lab around the hosts, or outside/CLIENT for a client of the world outside",
    )


def _enter(record: LabRecord, words: str) -> list[str]:
    host, _, outside = words.partition("/")
    if outside:
        return client.enter(record, outside)
    if host == "lab":
        return sandbox.enter_lab(record)
    known = [h.name for h in record.hosts]
    if host not in known:
        raise NotFound(f"lab {record.name!r} has no host {host!r}", hint=f"Hosts: {spans(known)}.")
    return sandbox.enter_host(record, host)
