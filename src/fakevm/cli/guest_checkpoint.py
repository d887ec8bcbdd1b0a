"""``fakevm guest checkpoint`` and ``restore``: a guest written down with all that runs in it."""

from __future__ import annotations

import argparse
from pathlib import Path

from fakevm.cli import argument
from fakevm.cli import guest_output as output
from fakevm.cli.command import ShowOne
from fakevm.cli.guest import GUEST, add_host
from fakevm.cli.help import with_examples
from fakevm.cli.output import Columns, Several
from fakevm.cli.session import open_session
from fakevm.cli.steps import shown
from fakevm.control.checkpointing import Checkpointing
from fakevm.control.guests import Guests
from fakevm.lab import checkpoints

# Seconds: memory is written at the speed of a disk.
_TIMEOUT = 300.0


class GuestCheckpoint(ShowOne):
    """Write a container guest down in a new folder: its processes with their memory and connections, its files.

    It is stopped then, unless --leave-running. DIR is a folder on the guest's host (in a lab: on this machine); it
    holds the guest's memory, and is its owner's alone. What cannot be written down is told before anything is done.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Declare the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("guest", metavar="GUEST", help=GUEST)
        parser.add_argument("folder", metavar="DIR", type=Path, help="the folder to make")
        parser.add_argument("--leave-running", action="store_true", help="let the guest go on")
        add_host(parser)
        argument.add_timeout(parser, "the longest that it may take", _TIMEOUT)
        with_examples(
            parser,
            "fakevm guest checkpoint web1 /var/tmp/web1",
            "fakevm guest checkpoint web1 web1.saved --leave-running",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Columns:
        """Write it down."""
        folder = parsed_args.folder.absolute()
        with open_session(self.app) as session, shown(self.app) as progress:
            guest = Guests(session.neutron, session.agents).find(parsed_args.guest, parsed_args.host)
            work = Checkpointing(session.neutron, session.agents, parsed_args.timeout, progress)
            with checkpoints.fetched(session.access.lab, folder) as (place, bring):
                written = work.write(guest, place, bring, goes_on=parsed_args.leave_running)
        names = ("guest", "host", "folder", "processes", "state")
        processes = [f"{tree.name} ({tree.number})" for tree in written.trees]
        return names, (
            guest.title, guest.host, str(folder), Several(processes),
            "running" if parsed_args.leave_running else "stopped",
        )  # fmt: skip


class GuestRestore(ShowOne):
    """Have a guest go on from a checkpoint: it gets the processes, the files and the connections that are in DIR.

    The guest of that name must be there, with the same interfaces and MAC addresses; what runs in it ends. DIR must be
    the folder of whoever the host's agent runs as, and of nobody else, since what is in it runs.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Declare the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("folder", metavar="DIR", type=Path, help="what `fakevm guest checkpoint` has made")
        add_host(parser)
        argument.add_timeout(parser, "the longest of each wait", _TIMEOUT)
        with_examples(parser, "fakevm guest restore /var/tmp/web1", "fakevm guest restore saved --host compute2")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Columns:
        """Have it go on."""
        folder = parsed_args.folder.absolute()
        with open_session(self.app) as session, shown(self.app) as progress:
            work = Checkpointing(session.neutron, session.agents, parsed_args.timeout, progress)
            with checkpoints.sent(session.access.lab, folder) as place:
                return output.guest_one(work.restore(work.whose(place, parsed_args.host), place))
