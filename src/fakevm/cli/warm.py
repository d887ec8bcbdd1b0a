"""``fakevm warm start|stop|status``: what is imported already when a lab comes up."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from fakevm import release
from fakevm.cli import argument
from fakevm.cli.command import Command, Lister
from fakevm.cli.help import with_examples
from fakevm.cli.release import NAMES, Size
from fakevm.cli.steps import ShownSteps
from fakevm.lab import kept, releases, warm
from fakevm.lab.environment import Environment


class WarmStart(Command):
    """Keep warmed processes, so that one ``lab up`` after another need not import Neutron's programs.

    They stay after labs have ended, until `fakevm warm stop`, or until no lab has asked for a while. Without
    this command nothing outlives a lab. What is kept already stays; what has changed on disk is imported anew.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Declare the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument(
            "releases", metavar="RELEASE", nargs="*", default=[release.DEFAULT],
            help=f"{NAMES}; by default {release.DEFAULT}. One that is not installed is installed",
        )  # fmt: skip
        parser.add_argument(
            "--idle", metavar="SECONDS", type=argument.seconds, default=kept.IDLE,
            help=f"end them when no lab has come up for so long (default: {kept.IDLE:.0f})",
        )  # fmt: skip
        with_examples(parser, "fakevm warm start", "fakevm warm start 2026.1 2026.2 --idle 28800")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Begin with all at once, then wait for them. A name that is wrong is told before anything is done."""
        versions = [release.resolve(name) for name in parsed_args.releases]
        with ShownSteps() as steps:
            places: dict[Environment, None] = {}
            for version in versions:
                releases.install(version, steps)
                found = warm.kept_for(version)
                if len(found) == 1:
                    steps.note(f"Neutron {version} cannot be forked (it needs eventlet): only FakeVM's own is kept")
                places.update(dict.fromkeys(found))
            with steps.step("importing"):
                for place in places:
                    if not warm.keep(place, parsed_args.idle):
                        steps.note(f"{place.name} is kept already")
                for place in places:
                    kept.wait(place)


class WarmStop(Command):
    """End all warmed processes that are kept. Labs that run go on."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Declare the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        with_examples(parser, "fakevm warm stop")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """End them; none is no mistake."""
        ended = kept.stop()
        print(f"ended: {', '.join(ended)}" if ended else "nothing was kept", file=sys.stderr, flush=True)


class WarmStatus(Lister):
    """List the warmed processes that are kept: their memory (PSS), how many labs asked, when they end if none does."""

    first = ("Environment", "State", "Memory", "Left")

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Declare the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        with_examples(parser, "fakevm warm status", "fakevm warm status -f json")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        """Ask each."""
        columns = ("Environment", "State", "Memory", "Labs", "Left", "Pid", "Programs", "Why")
        return columns, [
            (one.name, one.state, Size(one.memory), one.labs, one.left, one.pid, str(one.programs), one.why)
            for one in kept.look()
        ]
