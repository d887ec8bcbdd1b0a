"""``exec`` as a command class: in a lab on this machine directly, else through the broker."""

from __future__ import annotations

import argparse
import contextlib
import signal
import threading
from collections.abc import Sequence
from typing import Any

from fakevm.cli import exec_local, exec_parser, group
from fakevm.cli.choice import chosen, is_group
from fakevm.cli.command import Command
from fakevm.cli.port import warn
from fakevm.cli.session import Session, open_session
from fakevm.control import lookup
from fakevm.control.execution import RemoteExec
from fakevm.control.guests import Guests, candidate_of
from fakevm.control.whereabouts import Whereabouts, candidate
from fakevm.errors import InvalidInput, NotFound
from fakevm.lab import roster
from fakevm.model.guest import GuestSeen


class Exec(Command):
    """Run a command in a fake VM, or in several at once: what they say is marked with their names.

    Output is streamed, standard input passed on, and the exit status is the command's own. When this program is
    interrupted or killed, the command is stopped.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Declare the arguments."""
        return exec_parser.make_parser(prog_name, description=self.get_description(), epilog=exec_parser.EXAMPLES)

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        """Run it; returns its exit status."""
        with open_session(self.app, parsed_args.exec_lab) as session:
            if is_group(parsed_args):
                return _in_several(self.app, session, parsed_args)
            if not parsed_args.remote:
                self._exec_locally(session, parsed_args)
            # Who is not there at all is told so, before what cannot be done there.
            host, port = find_guest(session, parsed_args.vif, parsed_args.host)
            if parsed_args.terminal:
                raise InvalidInput(
                    f"-t works only in a lab on this machine, and not with --remote; {port.port_id} is on {host}",
                    hint="Leave -t out.",
                )
            return RemoteExec(session.agents, host).run(port.guest_id, parsed_args.command, parsed_args.timeout)

    @staticmethod
    def _exec_locally(session: Session, parsed_args: argparse.Namespace) -> None:
        """Become the command when its guest is in a lab on this machine."""
        lab = session.access.lab
        guest = lab and roster.choose_guest(lab, parsed_args.vif, parsed_args.host)
        if lab and guest:
            options = {"timeout": parsed_args.timeout, "terminal": parsed_args.terminal}
            exec_local.run_in_guest(lab, guest, parsed_args.command, **options)


def _in_several(app: Any, session: Session, parsed_args: argparse.Namespace) -> int:
    """Run a command in several guests; returns the exit status for all."""
    lab = session.access.lab
    if lab and not parsed_args.remote:
        return int(exec_local.run(lab, parsed_args) or 0)
    guests, unasked = Guests(session.neutron, session.agents).rows(parsed_args.host)
    warn(app, unasked)
    command, timeout = parsed_args.command, parsed_args.timeout
    works = [_Remote(session, guest, command, timeout) for guest in chosen(parsed_args, guests)]
    return group.run(works, as_json=parsed_args.format == "json", at_once=parsed_args.parallel)


class _Remote(group.Work):
    """A command in one guest, through its host's agent."""

    def __init__(self, session: Session, guest: GuestSeen, command: Sequence[str], timeout: float | None) -> None:
        super().__init__(guest.id, guest.title, guest.host)
        self._session = session
        self._command = command
        self._timeout = timeout
        self._stopped = threading.Event()

    def run(self, write: group.Write) -> int:
        """See Work."""
        if self._stopped.is_set():
            return 128 + signal.SIGTERM
        execution = RemoteExec(self._session.agents, self.host)
        return execution.follow(self.guest_id, self._command, self._timeout, write, self._stopped.is_set)

    def stop(self) -> None:
        """See Work."""
        self._stopped.set()


def find_guest(session: Session, words: str, host: str | None) -> tuple[str, lookup.Candidate]:
    """Find the host of a guest, and one of its ports if it has any, through Neutron and the agents.

    Raises NotFound, Ambiguous, Unreachable.
    """
    try:
        return _find_by_port(session, words, host)
    except NotFound as nothing:
        try:
            guest = Guests(session.neutron, session.agents).find(words, host)
        except NotFound as nowhere:
            raise (nothing if session.neutron.there else nowhere) from None
        return guest.host, candidate_of(guest)


def _find_by_port(session: Session, words: str, host: str | None) -> tuple[str, lookup.Candidate]:
    whereabouts = Whereabouts(session.neutron, session.agents)
    if not host:
        port = whereabouts.find_guest(words, session.agents.alive())[0]
        return whereabouts.host_of(port), port
    session.agents.require(host)
    with contextlib.suppress(NotFound):  # of several that have the name, the one that is there is meant
        there = map(candidate, session.agents.list_vifs(host))
        return host, lookup.find_guest(words, there)[0]
    return host, whereabouts.find_guest(words, [host])[0]
