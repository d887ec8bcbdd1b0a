"""``fakevm guest console|log``: a terminal at a virtual machine's serial console, and what was said there."""

from __future__ import annotations

import argparse

from fakevm.cli import argument
from fakevm.cli.app import lab_of
from fakevm.cli.command import Command
from fakevm.cli.exec_local import become
from fakevm.cli.guest import GUEST, add_host
from fakevm.cli.help import with_examples
from fakevm.cli.session import open_session
from fakevm.control.guests import Guests
from fakevm.errors import NotFound
from fakevm.lab import registry, roster
from fakevm.lab.entrance import console_of

# Bytes of a console's log that are asked for at most.
_MOST = 1 << 20


class GuestConsole(Command):
    """Join the serial console of a virtual machine of a lab on this machine; Ctrl-] leaves it.

    One caller has it at a time; another waits for it. `fakevm guest log` shows what it has said until now.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Declare the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("guest", metavar="GUEST", help=GUEST)
        add_host(parser)
        with_examples(parser, "fakevm guest console router1", "echo ip address | fakevm guest console router1")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Become what joins it."""
        lab = registry.choose(lab_of(self.app, parsed_args))
        found = roster.choose_guest(lab, parsed_args.guest, parsed_args.host)
        if found is None:
            raise NotFound(f"lab {lab.name!r} has no guest {parsed_args.guest!r}", hint="See: fakevm guest list")
        become(console_of(lab, *found))


class GuestLog(Command):
    """Print what a guest has said on its console: a virtual machine, or a container that is a server."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Declare the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("guest", metavar="GUEST", help=GUEST)
        add_host(parser)
        parser.add_argument(
            "--lines",
            metavar="N",
            type=argument.whole("lines", 1, 1_000_000),
            default=0,
            help="only the last N lines (default: all of the last megabyte)",
        )
        with_examples(parser, "fakevm guest log router1", "fakevm guest log router1 --lines 20")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Ask its host's agent."""
        with open_session(self.app) as session:
            guest = Guests(session.neutron, session.agents).find(parsed_args.guest, parsed_args.host)
            said = session.agents.on(guest.host).console_log(guest.id, _MOST)
        lines = said.splitlines()
        print("\n".join(lines[-parsed_args.lines :]))
