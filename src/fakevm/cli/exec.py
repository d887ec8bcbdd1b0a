"""``exec`` as a command class: in a lab on this machine directly, else through the broker."""

from __future__ import annotations

import argparse
import contextlib

from fakevm.cli import exec_local, exec_parser
from fakevm.cli.command import Command
from fakevm.cli.session import Session, open_session
from fakevm.control import lookup
from fakevm.control.execution import RemoteExec
from fakevm.control.guests import Guests, candidate_of
from fakevm.control.whereabouts import Whereabouts, candidate
from fakevm.errors import InvalidInput, NotFound


class Exec(Command):
    """Run a command in a fake VM.

    Output is streamed, standard input passed on, and the exit status is the command's own. When this program is
    interrupted or killed, the command is stopped.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Declare the arguments."""
        return exec_parser.make_parser(prog_name, description=self.get_description(), epilog=exec_parser.EXAMPLES)

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        """Run it; returns its exit status."""
        with open_session(self.app, parsed_args.exec_lab) as session:
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
        guest = lab and exec_local.choose_guest(lab, parsed_args.vif, parsed_args.host)
        if lab and guest:
            options = {"timeout": parsed_args.timeout, "terminal": parsed_args.terminal}
            exec_local.run_in_guest(lab, guest, parsed_args.command, **options)


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
