"""The command that shows what Neutron told Nova."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from cliff.columns import FormattableColumn

from fakevm.cli import argument
from fakevm.cli.command import Lister
from fakevm.cli.help import with_examples
from fakevm.cli.session import find_events
from fakevm.cli.titles import Titles
from fakevm.control.expectation import Events
from fakevm.errors import InvalidInput
from fakevm.model.event import Event

COLUMNS = ("number", "at", "name", "instance", "vif_id", "status", "guest")
# Seconds of one long poll.
POLL = 30.0


class Moment(FormattableColumn[float]):
    """A time, in seconds since the epoch."""

    def human_readable(self) -> str:
        """Write it as this machine's clock shows it."""
        return datetime.fromtimestamp(self._value).isoformat(sep=" ", timespec="milliseconds")

    def machine_readable(self) -> float:
        """Keep the number."""
        return float(self._value)


class ListEvents(Lister):
    """List the events that Neutron sent to Nova: network-vif-plugged, network-changed…

    In a lab they are received by the lab; elsewhere by neutron-fakevm-events, at the URL in FAKEVM_EVENTS.
    """

    first = ("number", "at", "name", "guest", "status")

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Declare the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("--follow", action="store_true", help="go on showing what comes, a line each, until Ctrl-C")
        parser.add_argument(
            "--since",
            metavar="N",
            type=argument.whole("the number of an event", 0, 10**12),
            default=0,
            help="only those after number N",
        )
        parser.add_argument(
            "--vif", metavar="GUEST", default="",
            help="only those of a guest: its name, or its port's id or the beginning of that",
        )  # fmt: skip
        with_examples(parser, "fakevm events --vif web1", "fakevm events --follow", "fakevm events --follow -f json")
        return parser

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Show them once, or for as long as somebody looks."""
        if not parsed_args.follow:
            return int(super().run(parsed_args))
        write = _line_writer(parsed_args)
        for event, guest in self._events(parsed_args, wait=POLL):
            print(write(event, guest), file=self.app.stdout, flush=True)
        return 0

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        """Read those that are kept."""
        rows = [_row(event, guest) for event, guest in self._events(parsed_args)]
        if not rows:
            print("no events" + (f" of {parsed_args.vif}" if parsed_args.vif else ""), file=self.app.stderr)
        return COLUMNS, rows

    def _events(self, parsed_args: argparse.Namespace, wait: float = 0.0) -> Iterator[tuple[Event, str]]:
        """Read page after page, with the guests' names; without ``wait`` (seconds) until there are no more for now."""
        events: Events = find_events(self.app)
        titles = Titles(self.app)
        after = parsed_args.since
        while True:
            page, lost = events.follow(after, wait)
            if lost:
                print(f"warning: {lost} older events were not kept", file=self.app.stderr)
            titles.learn(page)
            yield from ((event, titles.of(event)) for event in titles.meant(parsed_args.vif, page))
            if page:
                after = page[-1].number
            elif not wait:
                return


def _row(event: Event, guest: str) -> tuple[Any, ...]:
    return (event.number, Moment(event.at), event.name, event.server_uuid, event.tag, event.status, guest)


def _line_writer(parsed_args: argparse.Namespace) -> Any:
    """Choose how one event is written. Raises InvalidInput for a format that has no lines."""
    unknown = set(parsed_args.columns) - set(COLUMNS)
    if unknown or parsed_args.formatter not in ("table", "value", "json"):
        raise InvalidInput(
            f"--follow cannot show {', '.join(unknown) or parsed_args.formatter}",
            hint=f"Formats: table, value, json. Columns: {', '.join(COLUMNS)}.",
        )
    wanted = parsed_args.columns or COLUMNS

    def write(event: Event, guest: str) -> str:
        row = dict(zip(COLUMNS, _row(event, guest), strict=True))
        if parsed_args.formatter == "json":
            return json.dumps({name: row[name] for name in wanted} | ({"at": event.at} if "at" in wanted else {}))
        words = {**row, "at": row["at"].human_readable()}
        return " ".join(str(words[name]) for name in wanted)

    return write
