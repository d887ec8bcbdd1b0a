"""The commands on interfaces of guests: attach, detach."""

from __future__ import annotations

import argparse
from dataclasses import replace

from fakevm.cli import argument
from fakevm.cli import guest_output as output
from fakevm.cli.command import ShowOne
from fakevm.cli.guest import GUEST, add_host
from fakevm.cli.help import with_examples
from fakevm.cli.output import Columns
from fakevm.cli.session import open_session
from fakevm.cli.steps import shown
from fakevm.cli.wish import add_port, add_wish, security_groups, wish_of
from fakevm.control.attaching import Attaching
from fakevm.control.creation import Order
from fakevm.errors import InvalidInput


class InterfaceAttach(ShowOne):
    """Give a guest that runs an interface more: on a port that nobody has, or on a new one of a network.

    As Nova: the port gets the guest's id as device_id, is bound to its host, plugged and addressed. Upon failure or
    Ctrl-C it is again what it was.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Declare the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("guest", metavar="GUEST", help=GUEST)
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument("--port", metavar="NEUTRON_PORT", help="a port's name or id, or the beginning of that")
        what.add_argument("--network", metavar="NETWORK", help="a network's name or id: a port is created there")
        parser.add_argument(
            "--device", metavar="DEVICE", type=argument.device, default="",
            help="what the interface is called in the guest (default: qfv and the beginning of the port's id)",
        )  # fmt: skip
        add_host(parser)
        add_wish(parser)
        add_port(parser)
        with_examples(
            parser,
            "fakevm interface attach web1 --network backend",
            "fakevm interface attach web1 --port 1f3a --device eth1",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Columns:
        """Attach it."""
        order = Order(
            network=parsed_args.network or "",
            instance="",
            name=parsed_args.name,
            security_groups=security_groups(parsed_args.security_groups),
            fixed_ips=tuple(parsed_args.fixed_ips),
        )
        if parsed_args.port and order != Order(network="", instance=""):
            raise InvalidInput("--name, --security-group and --fixed-ip are for --network: a port has its own")
        wish = replace(wish_of(parsed_args.host or "", parsed_args), device=parsed_args.device)
        with open_session(self.app) as session, shown(self.app) as progress:
            progress.seen("asking the hosts")
            attaching = Attaching(session.neutron, session.agents, progress, session.events)
            if parsed_args.port:
                return output.attached_one(attaching.attach_port(parsed_args.guest, parsed_args.port, wish))
            return output.attached_one(attaching.attach_network(parsed_args.guest, order, wish))


class InterfaceDetach(ShowOne):
    """Take an interface from a guest, which stays, even without any.

    Its port is nobody's then, unbound, as Nova leaves a port that it did not create; --delete deletes it. An interface
    of a link goes, too. A detachment that has begun is finished, also when it is interrupted.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Declare the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("guest", metavar="GUEST", help=GUEST)
        parser.add_argument(
            "interface", metavar="INTERFACE", help="its name in the guest, its port's id, or the beginning of that"
        )
        parser.add_argument("--delete", action="store_true", help="delete its port in Neutron, too")
        add_host(parser)
        with_examples(parser, "fakevm interface detach web1 eth1", "fakevm interface detach web1 1f3a --delete")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Columns:
        """Detach it."""
        with open_session(self.app) as session, shown(self.app) as progress:
            attaching = Attaching(session.neutron, session.agents, progress)
            detached = attaching.detach(
                parsed_args.guest, parsed_args.interface, host=parsed_args.host, delete=parsed_args.delete
            )
        return output.detached_one(detached)
