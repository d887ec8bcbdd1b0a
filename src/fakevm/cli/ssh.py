"""The commands for ssh into the guests of a lab on this machine: a login, and files for stock clients and Ansible."""

from __future__ import annotations

import argparse
import json
from typing import Any

from fakevm.cli import argument, exec_parser, ssh_local
from fakevm.cli.app import lab_of
from fakevm.cli.choice import add_choice, chosen, is_group
from fakevm.cli.command import Command
from fakevm.cli.help import with_examples
from fakevm.errors import FakevmError, InvalidInput, NotFound
from fakevm.lab import registry, roster
from fakevm.lab.roster import Entry
from fakevm.lab.ssh import client, inventory
from fakevm.model.lab import LabRecord


def _lab(app: Any, parsed_args: argparse.Namespace) -> LabRecord:
    """Find the lab that is meant. Raises NotFound, Ambiguous."""
    try:
        return registry.choose(lab_of(app, parsed_args))
    except NotFound as problem:
        problem.hint = f"{problem.hint}\nssh is into guests of labs on this machine; `fakevm exec` is into others, too."
        raise


class Ssh(Command):
    """Log in to a guest of a lab on this machine by ssh, or run a command in it; in several guests, side by side.

    Each connection starts an sshd in its guest, on a pipe: no daemon, and no port. The lab has keys of its own.
    Connections to a guest share one, that stays for a minute. `fakevm ssh-config` is for scp, rsync and others.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Declare the arguments."""
        description = self.get_description()
        return exec_parser.make_ssh_parser(prog_name, description=description, epilog=exec_parser.SSH_EXAMPLES)

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        """Become the client."""
        try:
            return ssh_local.run(_lab(self.app, parsed_args), parsed_args)
        except FakevmError as problem:
            if parsed_args.stdio:
                ssh_local.refuse(problem)
            raise


class SshConfig(Command):
    """Write a configuration file for ssh, with a block for each guest of a lab on this machine.

    ssh, scp, sftp and rsync reach the guests with it, by their names and as NAME.LAB, also those that move or are
    rebooted meanwhile. For guests that come later, write it again.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Declare the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        add_choice(parser)
        parser.add_argument("--host", metavar="HOST", type=argument.host, help="only those on this host")
        with_examples(
            parser,
            "fakevm ssh-config > lab.ssh",
            "ssh -F lab.ssh web1; scp -F lab.ssh file web1:/tmp; rsync -e 'ssh -F lab.ssh' -a folder web1:",
            "fakevm ssh-config --on 'leaf*' > ~/.ssh/lab.conf   # and in ~/.ssh/config:  Include lab.conf",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Write it."""
        lab = _lab(self.app, parsed_args)
        guests = roster.entries(lab, parsed_args.host)
        guests = chosen(parsed_args, guests) if is_group(parsed_args) else guests
        self.app.stdout.write(client.config(lab, guests))
        _tell_renamed(self.app, guests)


class Inventory(Command):
    """Write an inventory for Ansible: the guests of a lab on this machine, in groups by host and kind.

    Without an option it is a file's (`ansible -i FILE`); with --list, or --host, what a script is asked for by Ansible.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Declare the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--list", action="store_true", help="as a script's: all groups, with all guests' variables")
        which.add_argument("--host", metavar="GUEST", dest="guest", help="as a script's: the variables of one guest")
        with_examples(
            parser,
            "fakevm inventory > lab.json; ansible -i lab.json all -m ping",
            "printf '#!/bin/sh\\nexec fakevm inventory \"$@\"\\n' > lab.sh; chmod +x lab.sh",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Write it."""
        lab = _lab(self.app, parsed_args)
        guests = roster.entries(lab)
        made = inventory.Inventory.of(lab, guests)
        shown: object = made.script() if parsed_args.list else made.file()
        if parsed_args.guest is not None:
            shown = made.variables.get(parsed_args.guest)
            if shown is None:
                known = ", ".join(made.variables) or "none"
                raise InvalidInput(
                    f"there is no guest {parsed_args.guest!r} in the inventory", hint=f"There are: {known}."
                )
        self.app.stdout.write(json.dumps(shown, indent=2) + "\n")
        _tell_renamed(self.app, guests)


def _tell_renamed(app: Any, guests: list[Entry]) -> None:
    """Tell of guests that have another name for ssh than their own."""
    named = client.names_of(guests)
    for guest in guests:
        if named[guest.id] != guest.title:
            shown = "".join(letter if letter.isprintable() else "?" for letter in guest.title)
            print(f"note: the guest {shown} on {guest.host} is called {named[guest.id]} here", file=app.stderr)
