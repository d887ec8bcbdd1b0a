"""The commands on guests: list, show, start, stop, reboot, remove."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

from fakevm.cli import argument
from fakevm.cli import guest_output as output
from fakevm.cli.choice import add_choice, chosen, is_group, refuse_both
from fakevm.cli.command import Lister, ShowSome
from fakevm.cli.help import with_examples
from fakevm.cli.output import Columns, Table
from fakevm.cli.port import warn
from fakevm.cli.session import open_session
from fakevm.cli.steps import shown
from fakevm.cli.wish import DEFAULT_TIMEOUT
from fakevm.control.guests import Guests
from fakevm.control.power import NO_CHANGE, Power, Powered, Switch
from fakevm.errors import FakevmError, InvalidInput
from fakevm.model.guest import GuestSeen
from fakevm.model.lab import LabRecord
from fakevm.progress import Progress

GUEST = "the guest's name or id, one of its ports, or the beginning of an id"


def add_host(parser: argparse.ArgumentParser) -> None:
    """Declare on which host a guest is to be found."""
    parser.add_argument("--host", metavar="HOST", type=argument.host, help="where it is to be: an error if it is not")


def add_guests(parser: argparse.ArgumentParser) -> None:
    """Declare which guests are meant."""
    parser.add_argument("guests", metavar="GUEST", nargs="*", help=GUEST)
    add_choice(parser)


def meant(app: Any, guests: Guests, parsed_args: argparse.Namespace) -> dict[str, GuestSeen | FakevmError]:
    """Find the guests that are meant; those that the user names by the user's words, with what is wrong with each.

    Raises InvalidInput; NotFound: no guest fits a pattern.
    """
    refuse_both(parsed_args, parsed_args.guests)
    if not is_group(parsed_args):
        return guests.each(list(dict.fromkeys(parsed_args.guests)), parsed_args.host)
    found, unasked = guests.rows(parsed_args.host)
    warn(app, unasked)
    awake = {guest.id: guest for guest in sorted(found, key=lambda guest: not guest.asleep)}
    return {guest.id: guest for guest in chosen(parsed_args, [guest for guest in found if awake[guest.id] is guest])}


class GuestList(Lister):
    """List the guests of all hosts, with their interfaces; those that are stopped or asleep, too."""

    first = ("name", "host", "state", "interfaces", "problem", "kind")

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Declare the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("--host", metavar="HOST", type=argument.host, help="only those on this host")
        with_examples(parser, "fakevm guest list", "fakevm guest list --host compute1 -f json")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        """List them; hosts that could not be asked are named on standard error."""
        with open_session(self.app) as session, shown(self.app) as progress:
            progress.seen("asking the hosts")
            guests, unasked = Guests(session.neutron, session.agents).rows(parsed_args.host)
        warn(self.app, unasked)
        return output.guest_table(guests)


class GuestShow(ShowSome):
    """Show a guest as its host's agent sees it, with a line for each interface; several as a table."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Declare the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        add_guests(parser)
        add_host(parser)
        with_examples(
            parser,
            "fakevm guest show web1",
            "fakevm guest show 1f3a -f json -c interfaces",
            "fakevm guest show --on 'leaf*' -f json",
        )
        return parser

    def several(self, parsed_args: argparse.Namespace) -> bool:
        """See ShowSome."""
        return is_group(parsed_args) or len(parsed_args.guests) > 1

    def take_action(self, parsed_args: argparse.Namespace) -> Columns | Table:
        """Look at it, or at them."""
        with open_session(self.app) as session, shown(self.app) as progress:
            progress.seen("asking the hosts")
            found = meant(self.app, Guests(session.neutron, session.agents), parsed_args)
            for problem in (each for each in found.values() if isinstance(each, FakevmError)):
                raise problem
        guests = [each for each in found.values() if isinstance(each, GuestSeen)]
        return output.guest_table(guests) if self.as_table(parsed_args) else output.guest_one(guests[0])


class _Switching(Lister):
    """A command that does something to guests; that it cannot be done to one does not keep the others from it."""

    first = ("name", "host", "result", "state", "problem", "addresses")

    word: ClassVar[str]
    does: ClassVar[Callable[[Switch], Powered]]
    waits: ClassVar[bool] = False
    _failures: Sequence[FakevmError] = ()

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Declare the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        add_guests(parser)
        add_host(parser)
        if self.waits:
            parser.add_argument("--no-wait", action="store_true", help="return when it runs: not wired yet, no address")
            argument.add_timeout(
                parser, "the longest wait until its ports are wired, and for their addresses", DEFAULT_TIMEOUT
            )
        with_examples(parser, *self.examples())
        return parser

    def examples(self) -> Sequence[str]:
        """Give examples of use."""
        return (
            f"fakevm guest {self.word} web1",
            f"fakevm guest {self.word} web1 db1 --host compute1",
            f"fakevm guest {self.word} --on 'leaf*'",
        )

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        """Do it to all. Raises the error of one that is the only one."""
        with open_session(self.app) as session, shown(self.app) as progress:
            waiting: dict[str, Any] = {}
            if self.waits:
                waiting = {"wait": not parsed_args.no_wait, "timeout": parsed_args.timeout}
            elif getattr(parsed_args, "hard", False):
                waiting = {"patience": 0.0}
            power = Power(session.neutron, session.agents, progress=progress, **waiting)
            guests = Guests(session.neutron, session.agents)
            outcomes = self.act(power, guests, parsed_args, progress)
            self._failures = [outcome for outcome in outcomes.values() if isinstance(outcome, FakevmError)]
            if len(outcomes) == 1 and self._failures:
                raise self._failures[0]
            if waiting.get("wait") and session.access.lab:
                self._run_again(session.access.lab, outcomes.values(), progress)
        return output.powered_table(outcomes)

    def _run_again(self, lab: LabRecord, outcomes: Iterable[Powered | FakevmError], progress: Progress) -> None:
        """Run what the lab file runs in guests that have come up; what fails is told beside what was done."""
        from fakevm.lab.topology import reboot

        done = [outcome for outcome in outcomes if isinstance(outcome, Powered) and outcome.result != NO_CHANGE]
        try:
            reboot.run_in(lab, {powered.guest.id: powered.guest.host for powered in done}, progress)
        except FakevmError as problem:
            self._failures = [*self._failures, problem]

    def act(
        self, power: Power, guests: Guests, parsed_args: argparse.Namespace, progress: Progress
    ) -> dict[str, Powered | FakevmError]:
        """Do it."""
        progress.seen("asking the hosts")
        return power.each(type(self).does, meant(self.app, guests, parsed_args))

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Show what was done; 1 when it could not be done to one of them."""
        status = int(super().run(parsed_args))
        for failure in self._failures:
            print(f"error: {failure}", file=self.app.stderr)
        return status or int(bool(self._failures))


class GuestStop(_Switching):
    """Stop guests: all that runs in them ends, and their ports go DOWN, as when Nova stops an instance.

    Their ports stay bound, and `fakevm guest start` gives them back all interfaces and addresses. One that is stopped
    stays so. A stop that has begun is finished, also when it is interrupted. A virtual machine has 20 seconds to shut
    down by itself.
    """

    word = "stop"
    does = Switch.stop

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Declare the arguments."""
        parser = super().get_parser(prog_name)
        parser.add_argument("--hard", action="store_true", help="do not let virtual machines shut down by themselves")
        return parser


class GuestStart(_Switching):
    """Start guests that were stopped, and wait until their ports are ACTIVE and have the addresses that they had.

    What the lab file runs in them is run again. One that runs stays as it is. One whose ports are not ready in time, or
    that is interrupted, is stopped again.
    """

    word = "start"
    does = Switch.start
    waits = True

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Declare the arguments."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--create", action="store_true",
            help="make those that are not there, on --host, without any interface; GUEST is the id, a port's device_id",
        )  # fmt: skip
        return parser

    def examples(self) -> Sequence[str]:
        """Give examples of use."""
        return *super().examples(), "fakevm guest start --create router1 --host compute1"

    def act(
        self, power: Power, guests: Guests, parsed_args: argparse.Namespace, progress: Progress
    ) -> dict[str, Powered | FakevmError]:
        """Start them, or make them."""
        if not parsed_args.create:
            return super().act(power, guests, parsed_args, progress)
        if not parsed_args.guests:
            raise InvalidInput("--create needs GUEST: what it is to be called")
        if not parsed_args.host:
            raise InvalidInput("--create needs --host HOST: where to make it")
        outcomes: dict[str, Powered | FakevmError] = {}
        for name in dict.fromkeys(parsed_args.guests):
            progress.seen(f"creating the guest {name}")
            try:
                outcomes[name] = power.create(name, parsed_args.host)
            except FakevmError as problem:
                outcomes[name] = problem
        return outcomes


class GuestReboot(_Switching):
    """Stop guests and start them again, as Nova's hard reboot; one that is stopped is started.

    Waits as `fakevm guest start`, and runs what the lab file runs in them again. Interrupted in between, they are
    started all the same.
    """

    word = "reboot"
    does = Switch.reboot
    waits = True


class GuestRemove(_Switching):
    """Remove guests from their hosts, with all interfaces; their ports stay in Neutron, bound as they are.

    Also a guest without interfaces. `fakevm delete-port --all GUEST` deletes a guest's ports, and so the guest.
    """

    word = "remove"
    does = Switch.remove
