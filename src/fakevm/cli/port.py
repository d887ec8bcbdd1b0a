"""The commands on ports: create, plug, unplug, migrate, delete, list, show."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from fakevm.cli import argument, output
from fakevm.cli.command import Lister, ShowOne, ShowSome
from fakevm.cli.help import with_examples
from fakevm.cli.session import Session, open_session
from fakevm.cli.steps import shown
from fakevm.cli.wish import GUEST, add_port, add_wish, security_groups, wish_of
from fakevm.control.creation import Order, create_ports, emptiest
from fakevm.control.guests import Guests
from fakevm.control.listing import Listing
from fakevm.control.lookup import Candidate
from fakevm.control.plugging import Plugging
from fakevm.control.removal import Removal
from fakevm.errors import FakevmError

# By one command; what one did not finish is taken back, and that should end, too.
MOST_PORTS = 1000


def _add_vif(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("vif", metavar="GUEST", help=GUEST)


def _add_host(parser: argparse.ArgumentParser, help_: str) -> None:
    parser.add_argument("--host", metavar="HOST", type=argument.host, required=True, help=help_)


class CreatePort(ShowSome):
    """Create a fake VM: a port that is bound, plugged and addressed on a host.

    A guest that is on that host already gets one more interface. Neutron is asked step by step as Nova asks it. Upon
    failure or Ctrl-C all that was made is removed again.
    """

    first = ("name", "host", "status", "addresses", "total")

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Declare the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("network", metavar="NETWORK", help="the network's name or id")
        parser.add_argument("instance", metavar="INSTANCE", help="the instance's id (any words), as device_id")
        parser.add_argument(
            "--host", metavar="HOST", type=argument.host, action="append", dest="hosts",
            help="the host to plug it on; repeated, these hosts take turns; without it where INSTANCE is already, else "
            "all compute hosts, those with the fewest guests first",
        )  # fmt: skip
        add_wish(parser)
        add_port(parser)
        parser.add_argument(
            "--count", metavar="N", type=argument.whole("a number of ports", 1, MOST_PORTS), default=1,
            help="make N, some at a time, INSTANCE-1 to INSTANCE-N (of a UUID, N others): all or none; shown as a list",
        )  # fmt: skip
        with_examples(
            parser,
            "fakevm create-port private web1 --host compute1",
            "fakevm create-port --host compute2 --addressing static --fixed-ip ip-address=10.0.0.9 private i-2",
            "fakevm create-port private load --host compute1 --count 20 -f json",
            "fakevm create-port private load --count 1000",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        """Create it, or them."""
        order = Order(
            network=parsed_args.network,
            instance=parsed_args.instance,
            count=parsed_args.count,
            name=parsed_args.name,
            security_groups=security_groups(parsed_args.security_groups),
            fixed_ips=tuple(parsed_args.fixed_ips),
        )
        with open_session(self.app) as session, shown(self.app) as progress:
            hosts = parsed_args.hosts or _hosts_for(session, parsed_args.instance)
            wishes = [wish_of(host, parsed_args) for host in hosts]
            made = create_ports(
                session.neutron, session.agents, order, wishes, progress=progress, events=session.events
            )
        self._made = made
        return output.wired_table(made) if self.as_table(parsed_args) else output.wired_one(made[0])

    def done(self, column_names: Any, data: Any) -> str:
        """Name what was made."""
        ids = " ".join(port.port_id for port in self._made)
        made = ", ".join(f"{port.name} ({port.port_id})" for port in self._made)
        return (
            f"Created all the same: {made}\nTo see one: fakevm show GUEST. To be rid of all: fakevm delete-port {ids}"
        )


def _hosts_for(session: Session, instance: str) -> list[str]:
    """Choose hosts for an instance: where its guest is already, else those with the fewest guests first."""
    home = Guests(session.neutron, session.agents).home(instance)
    return [home] if home else emptiest(session.neutron, _compute_hosts(session))


def _compute_hosts(session: Session) -> list[str]:
    """Name the hosts that guests are for: in a lab those with that role, else all whose agent is alive."""
    alive = session.agents.alive()
    lab = session.access.lab
    roles = {host.name: host.roles for host in lab.hosts} if lab else {}
    return [host for host in alive if "compute" in roles.get(host, ("compute",))]


class Plug(ShowOne):
    """Plug an existing port on a host; nothing is changed when it is plugged there already."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Declare the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        _add_vif(parser)
        _add_host(parser, "the host to plug it on; a port that is bound nowhere is bound to it")
        add_wish(parser)
        with_examples(parser, "fakevm plug web1 --host compute1", "fakevm plug 1f3a --host compute1")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> output.Columns:
        """Plug it."""
        with open_session(self.app) as session, shown(self.app) as progress:
            plugging = Plugging(session.neutron, session.agents, progress, session.events)
            return output.wired_one(plugging.plug(parsed_args.vif, wish_of(parsed_args.host, parsed_args)))


class Unplug(ShowOne):
    """Unplug a VIF from a host; Neutron's port stays as it is."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Declare the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        _add_vif(parser)
        _add_host(parser, "the host to unplug it from")
        with_examples(parser, "fakevm unplug web1 --host compute1")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> output.Columns:
        """Unplug it."""
        with open_session(self.app) as session, shown(self.app) as progress:
            removal = Removal(session.neutron, session.agents, progress)
            columns, rows = output.unplugged_table(*_one(removal.unplug(parsed_args.vif, parsed_args.host)))
        return columns, rows[0]


def _one(answer: tuple[Candidate, Any]) -> tuple[Candidate, list[Any]]:
    return answer[0], [answer[1]]


class UnplugAllHost(Lister):
    """Unplug a VIF from every host, also one that Neutron has forgotten; says what each host did."""

    first = ("name", "host", "result")

    _failed = False

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Declare the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        _add_vif(parser)
        with_examples(parser, "fakevm unplug-all-host web1")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> output.Table:
        """Unplug it everywhere."""
        with open_session(self.app) as session, shown(self.app) as progress:
            port, results = Removal(session.neutron, session.agents, progress).unplug_all_hosts(parsed_args.vif)
        self._failed = any(result.failed for result in results)
        return output.unplugged_table(port, results)

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Show what each host did; 1 when one of them could not."""
        return super().run(parsed_args) or int(self._failed)


class DeletePort(Lister):
    """Delete fake VMs: unplug them wherever they are plugged, then delete their ports in Neutron.

    One that cannot be deleted does not keep the others from it; the exit status says so.
    """

    first = ("name", "host", "result")

    _failures: Sequence[FakevmError] = ()

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Declare the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("vifs", metavar="GUEST", nargs="+", help=GUEST)
        parser.add_argument("--all", action="store_true", help="of a guest that has several ports, delete them all")
        parser.add_argument(
            "--host", metavar="HOST", type=argument.host, help="taken for the original's sake; every host is looked at"
        )
        with_examples(
            parser,
            "fakevm delete-port web1",
            "fakevm delete-port --all router1",
            "fakevm delete-port $(fakevm list --host compute1 -f value -c vif_id)",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> output.Table:
        """Delete them. Raises the error of one that is the only one."""
        with open_session(self.app) as session, shown(self.app) as progress:
            removal = Removal(session.neutron, session.agents, progress)
            outcomes = removal.delete_all(dict.fromkeys(parsed_args.vifs), whole=parsed_args.all)
        self._failures = [outcome for outcome in outcomes.values() if isinstance(outcome, FakevmError)]
        if len(outcomes) == 1 and self._failures:
            raise self._failures[0]
        deleted = [outcome for outcome in outcomes.values() if not isinstance(outcome, FakevmError)]
        return output.deleted_table(port for ports in deleted for port in ports)

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Show what was done; 1 when one of them was not deleted."""
        status = int(super().run(parsed_args))
        for failure in self._failures:
            print(f"error: {failure}", file=self.app.stderr)
        return status or int(bool(self._failures))


class ListPorts(Lister):
    """List the fake VMs, as Neutron and as the hosts' agents see them."""

    first = ("name", "host", "status", "problem", "addresses", "network")

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Declare the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument(
            "--host", metavar="HOST", type=argument.host, help="only those bound to, or plugged on, this host"
        )
        with_examples(parser, "fakevm list", "fakevm list --host compute1 -f value -c vif_id")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> output.Table:
        """List them; hosts that could not be asked are named on standard error."""
        with open_session(self.app) as session, shown(self.app) as progress:
            progress.seen("asking the hosts")
            rows, unasked = Listing(session.neutron, session.agents).rows(parsed_args.host)
        warn(self.app, unasked)
        return output.guest_table(rows)


class ShowPort(ShowOne):
    """Show a fake VM: Neutron's port, and the VIF as its host's agent sees it."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Declare the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        _add_vif(parser)
        with_examples(parser, "fakevm show web1", "fakevm show 1f3a -f value -c host")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> output.Columns:
        """Look at it."""
        with open_session(self.app) as session, shown(self.app) as progress:
            progress.seen("asking the hosts")
            listing = Listing(session.neutron, session.agents)
            port, found, others = listing.show(parsed_args.vif)
            left = listing.left_of_a_migration(port, found.vifs)
        warn(self.app, [f"{host}: {problem.what}" for host, problem in found.unasked.items()])
        return output.shown(port, found.vifs, left, others)


def warn(app: Any, unasked: Sequence[str]) -> None:
    """Say which hosts could not be asked, and why."""
    for problem in unasked:
        print(f"warning: not asked: {problem}", file=app.stderr)
