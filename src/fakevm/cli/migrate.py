"""The command that moves fake VMs: one, all of a host, or the repair of a move that was cut short."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

from fakevm.cli import argument
from fakevm.cli import migration_output as output
from fakevm.cli.command import ShowSome
from fakevm.cli.help import with_examples
from fakevm.cli.session import Session, open_session
from fakevm.cli.steps import shown
from fakevm.cli.wish import GUEST
from fakevm.control.migration import evacuation
from fakevm.control.migration.base import Migration, Move
from fakevm.control.migration.cold import ColdMigration
from fakevm.control.migration.live import LiveMigration
from fakevm.control.migration.moving import ports_on
from fakevm.control.migration.processes import FATES
from fakevm.control.migration.recovery import Recoverer
from fakevm.errors import InvalidInput
from fakevm.model.guest import GuestSeen
from fakevm.model.migration import MigrationReport
from fakevm.model.port import Addressing
from fakevm.progress import SILENT, Progress
from fakevm.view import report as reports

# What Nova waits for network-vif-plugged by default (vif_plugging_timeout).
DEFAULT_TIMEOUT = 300.0
PARALLEL = 4
MOST_AT_ONCE = 64
# Probes per second that are asked for by default: one every 10 ms.
INTERVAL = 0.01


class Migrate(ShowSome):
    """Move a fake VM to another host, live: it goes on there with its addresses, routes and neighbours.

    All its ports and links move with it. Neutron is asked step by step as Nova asks it, and another guest of each
    network measures the outage. Upon failure or Ctrl-C the guest is put back where it was. With --cold: unplug there,
    bind anew, plug here.
    """

    first = ("name", "host", "result", "lost", "longest_gap_ms", "seconds")

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Declare the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("destination", metavar="DEST", type=argument.host, nargs="?", help="the host to move it to")
        parser.add_argument("guest", metavar="GUEST", nargs="?", help=f"{GUEST}; all of the guest moves")
        parser.add_argument(
            "--host", metavar="SRC", type=argument.host, help="the host on which it is now (default: where it is bound)"
        )
        kind = parser.add_mutually_exclusive_group()
        kind.add_argument("--live", action="store_const", const=LiveMigration, dest="kind", help="as Nova (default)")
        kind.add_argument("--cold", action="store_const", const=ColdMigration, dest="kind", help="the plain form")
        parser.set_defaults(kind=LiveMigration)
        _add_waits(parser)
        _add_measuring(parser)
        _add_many(parser)
        with_examples(
            parser,
            "fakevm migrate compute2 web1 --report move.html",
            "fakevm migrate compute2 web1 --host compute1 --fail-at activate",
            "fakevm migrate --recover web1",
            "fakevm migrate --all --host compute1 --parallel 2",
        )
        return parser

    def several(self, parsed_args: argparse.Namespace) -> bool:
        """See ShowSome."""
        return bool(parsed_args.all)

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        """Move it, or them; or repair."""
        _refuse_nonsense(parsed_args)
        with open_session(self.app) as session, shown(self.app) as progress:
            if parsed_args.all:
                return self._evacuate(session, parsed_args, progress)
            do = self._recover if parsed_args.recover else self._migrate
            names, values = do(session, parsed_args, progress)
        return names, [values] if self.as_table(parsed_args) else values

    def _migrate(self, session: Session, parsed_args: argparse.Namespace, progress: Progress) -> Any:
        migration = _migration(
            session, parsed_args, _move(parsed_args, parsed_args.guest, parsed_args.destination), progress
        )
        try:
            report = migration.run()
        finally:
            if migration.report:
                self._write(parsed_args, migration.report)
        return output.moved(report, migration.status(), brief=parsed_args.formatter not in ("json", "yaml"))

    def _evacuate(self, session: Session, parsed_args: argparse.Namespace, progress: Progress) -> Any:
        agents = session.agents
        agents.prepare()
        agents.require(parsed_args.host)
        candidates = parsed_args.to or _computes(session) or agents.alive()
        counts = evacuation.destinations(agents, parsed_args.host, candidates, named=bool(parsed_args.to))
        guests = evacuation.guests_on(agents, parsed_args.host)

        def start(guest: GuestSeen, host: str) -> Migration:
            return _migration(session, parsed_args, _move(parsed_args, (*ports_on(guest), guest.id)[0], host), SILENT)

        work = evacuation.Evacuation(evacuation.spread(guests, counts), start, parsed_args.parallel)
        outcomes = work.run(progress)
        self._write(parsed_args, [outcome.report for outcome in outcomes if outcome.report])
        self._outcomes = outcomes
        return output.evacuated(outcomes)

    def _recover(self, session: Session, parsed_args: argparse.Namespace, progress: Progress) -> Any:
        recoverer = Recoverer(session.neutron, session.agents, timeout=parsed_args.timeout, progress=progress)
        recovery = recoverer.recover(parsed_args.recover)
        self._failed = bool(recovery.left)
        return output.recovered(recovery)

    _failed = False
    _outcomes: Sequence[evacuation.Outcome] | None = None
    _unwritten: InvalidInput | None = None

    def _write(self, parsed_args: argparse.Namespace, made: MigrationReport | list[MigrationReport]) -> None:
        """Write the report; that it cannot be is told after what became of the migration."""
        try:
            if parsed_args.report:
                reports.write(made, parsed_args.report)
        except InvalidInput as problem:
            self._unwritten = problem

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Show what became of it; 1 when a guest stayed behind, or something is left."""
        try:
            status = int(super().run(parsed_args))
        except Exception as problem:
            if self._unwritten:
                problem.add_note(str(self._unwritten))
            raise
        stayed = [outcome for outcome in self._outcomes or () if outcome.problem]
        for outcome in stayed:
            print(f"error: {outcome.guest.title}: {outcome.problem}", file=self.app.stderr)
        if self._unwritten:
            raise self._unwritten
        return status or int(self._failed or bool(stayed))


def _add_waits(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--addressing", choices=get_args(Addressing), default="auto",
        help="with --cold: how the guest gets its addresses again; live, it takes them along",
    )  # fmt: skip
    parser.add_argument(
        "--processes", choices=FATES, default="auto",
        help="what becomes of a container's processes, live: those that can be moved go along (auto), all have to "
        "(move), or they end (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--no-wait", action="store_true", help="do not wait for ACTIVE at the end")
    argument.add_timeout(parser, "the longest of each wait: Nova's vif_plugging_timeout", DEFAULT_TIMEOUT)
    parser.add_argument(
        "--no-vif-plugging-is-fatal", action="store_false", dest="vif_plugging_is_fatal",
        help="go on when network-vif-plugged does not come in time",
    )  # fmt: skip
    parser.add_argument(
        "--no-nudge", action="store_false", dest="nudge",
        help="do not help when Neutron's agent leaves the port alone: as Nova, with which it stays DOWN then",
    )  # fmt: skip
    parser.add_argument(
        "--fail-at", metavar="STEP",
        help=f"let a step fail when its work is done, and see the way back; live: {', '.join(LiveMigration.step_names)}"
        f"; cold: {', '.join(ColdMigration.step_names)}",
    )  # fmt: skip
    parser.add_argument(
        "--delay", metavar="STEP=SECONDS", type=_delay, action="append", default=[], dest="delays",
        help="wait before a step, as a slow Nova would; may be repeated",
    )  # fmt: skip


def _add_measuring(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--probe-from", metavar="GUEST",
        help="the guest that measures the outage; `none` for nobody (default: any other guest of each network)",
    )  # fmt: skip
    parser.add_argument(
        "--interval",
        metavar="SECONDS",
        type=argument.seconds,
        default=INTERVAL,
        help="between two probes (default: %(default)g)",
    )
    parser.add_argument(
        "--report", metavar="FILE", type=Path,
        help="write what happened when: FILE.html is a page with a picture, FILE.json is all the figures",
    )  # fmt: skip


def _add_many(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--recover", metavar="GUEST", help="repair a migration of this guest that was cut short")
    parser.add_argument("--all", action="store_true", help="move all guests of --host to the hosts that have fewest")
    parser.add_argument(
        "--to", metavar="HOST", type=argument.host, action="append",
        help="with --all: a host that may take guests; may be repeated (default: all compute hosts)",
    )  # fmt: skip
    parser.add_argument(
        "--parallel", metavar="N", type=argument.whole("a number of guests", 1, MOST_AT_ONCE), default=PARALLEL,
        help="with --all: how many guests are moved at once (default: %(default)s)",
    )  # fmt: skip


def _delay(words: str) -> tuple[str, float]:
    step, equals, time = words.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{words!r} is not STEP=SECONDS")
    return step, argument.seconds(time)


def _refuse_nonsense(parsed_args: argparse.Namespace) -> None:
    """Refuse words that do not go together, before anything is done."""
    if parsed_args.report:
        reports.check(parsed_args.report)
    if parsed_args.kind is ColdMigration and parsed_args.processes == "move":
        raise InvalidInput(
            "a guest that is moved cold takes no processes along", hint="Leave out --cold, or --processes move."
        )
    if parsed_args.recover or parsed_args.all:
        what = "--recover" if parsed_args.recover else "--all"
        if parsed_args.destination or (parsed_args.recover and parsed_args.all):
            raise InvalidInput(f"{what} takes no DEST and GUEST", hint="See: fakevm migrate --help")
        if parsed_args.all and not parsed_args.host:
            raise InvalidInput("--all needs --host SRC: the host to empty")
    elif not parsed_args.destination or not parsed_args.guest:
        raise InvalidInput("say where to, and which: fakevm migrate DEST GUEST", hint="Or: --all, --recover.")


def _move(parsed_args: argparse.Namespace, guest: str, destination: str) -> Move:
    return Move(
        guest=guest,
        destination=destination,
        source=parsed_args.host,
        timeout=parsed_args.timeout,
        wait=not parsed_args.no_wait,
        plugging_is_fatal=parsed_args.vif_plugging_is_fatal,
        probe_from=parsed_args.probe_from,
        interval=parsed_args.interval,
        fail_at=parsed_args.fail_at,
        sampled=bool(parsed_args.report),
        addressing=parsed_args.addressing,
        emptying=parsed_args.all,
        delays=dict(parsed_args.delays),
        help=parsed_args.nudge,
        processes=parsed_args.processes,
    )


def _migration(session: Session, parsed_args: argparse.Namespace, move: Move, progress: Progress) -> Migration:
    kind: type[Migration] = parsed_args.kind
    return kind(session.neutron, session.agents, move, events=session.events, progress=progress)


def _computes(session: Session) -> list[str]:
    """Name the hosts of a lab that are there for guests; elsewhere nobody knows."""
    lab = session.access.lab
    return [host.name for host in lab.hosts if "compute" in host.roles] if lab else []
