"""``fakevm lab upgrade`` and ``fakevm host upgrade``: another release of Neutron in a lab that runs."""

from __future__ import annotations

import argparse
from typing import Any

from fakevm.cli import argument
from fakevm.cli.app import lab_of
from fakevm.cli.command import ShowOne
from fakevm.cli.help import with_examples
from fakevm.cli.steps import ShownSteps
from fakevm.lab import registry, upgrade

RELEASE = "a version such as 29.0.0, or a series such as 2026.2"


class LabUpgrade(ShowOne):
    """Run Neutron's server of a lab from a newer release, its database migrated. The hosts' agents stay as they are.

    The release is installed on the way where it is not there. There is no way back: Neutron's database has none.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Declare the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("release", metavar="RELEASE", help=RELEASE)
        with_examples(parser, "fakevm lab upgrade 29.0.0", "fakevm --lab second lab upgrade 2026.2")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        """Upgrade it, and wait until it serves."""
        record = registry.choose(lab_of(self.app, parsed_args))
        with registry.alone(record, "lab upgrade"), ShownSteps() as steps:
            record = upgrade.server(record, parsed_args.release, steps)
        return ("lab", "release", "seconds"), (record.name, record.release, _seconds(steps))


class HostUpgrade(ShowOne):
    """Run the Neutron agents of a lab's host from another release. Its guests and its switch go on as they are.

    The release is installed on the way where it is not there. It may be an older one.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Declare the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("host", metavar="HOST", type=argument.host, help="the host")
        parser.add_argument("release", metavar="RELEASE", help=RELEASE)
        with_examples(parser, "fakevm host upgrade compute1 29.0.0", "fakevm --lab second host upgrade compute1 2026.2")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        """Upgrade it, and wait until its agents report."""
        record = registry.choose(lab_of(self.app, parsed_args))
        with registry.alone(record, "host upgrade", parsed_args.host), ShownSteps() as steps:
            record = upgrade.host(record, parsed_args.host, parsed_args.release, steps)
        version = next(host.release for host in record.hosts if host.name == parsed_args.host)
        return ("lab", "host", "release", "seconds"), (record.name, parsed_args.host, version, _seconds(steps))


def _seconds(steps: ShownSteps) -> float:
    return round(sum(taken for _, taken in steps.steps), 1)
