"""``fakevm lab config``: what Neutron's programs go by, and who says so."""

from __future__ import annotations

import argparse
from typing import Any

from fakevm import release
from fakevm.cli import argument
from fakevm.cli.app import lab_of
from fakevm.cli.command import Lister, Parser
from fakevm.cli.help import with_examples
from fakevm.errors import InvalidInput
from fakevm.lab import registry
from fakevm.lab.config import effective
from fakevm.lab.config.effective import Setting


class _Mixed(Parser):
    """Takes OPTIONs after ``--host HOST``, too."""

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse."""
        return self.parse_intermixed_args(args, namespace)


class LabConfig(Lister):
    """Show the options of a program of Neutron's in a lab: their values, and where each comes from.

    That is FakeVM, the lab file (config: of the lab, or of a host), or Neutron's default. Secrets are not shown.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Declare the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.__class__ = _Mixed
        parser.add_argument(
            "program", metavar="PROGRAM",
            help="as in a lab file: server, ml2, ovs_agent, dhcp_agent, l3_agent, metadata_agent, ovn_agent…; or as in"
            " `lab status`: compute1/neutron-openvswitch-agent",
        )  # fmt: skip
        parser.add_argument(
            "options", metavar="OPTION", nargs="*", help="only these: NAME or SECTION.NAME (default: all)"
        )
        parser.add_argument(
            "--host", metavar="HOST", type=argument.host, help="where it runs, if several hosts have it"
        )
        parser.add_argument("--set", action="store_true", help="only what FakeVM or the lab file sets")
        parser.add_argument(
            "--release", metavar="RELEASE", help="of a release that is installed, without a lab: what it has by default"
        )
        with_examples(
            parser,
            "fakevm lab config ovs_agent --host compute1 --set",
            "fakevm lab config server service_plugins quotas.quota_port",
            "fakevm lab config l3_agent --release 29.0.0",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        """List them."""
        rows = _of_release(parsed_args) if parsed_args.release else self._of_lab(parsed_args)
        if parsed_args.options:
            rows = effective.chosen(rows, parsed_args.options, effective.word_of(parsed_args.program))
        if parsed_args.set:
            rows = [row for row in rows if row.source != effective.DEFAULT]
        return (*Setting._fields[:3], "from"), rows

    def _of_lab(self, parsed_args: argparse.Namespace) -> list[Setting]:
        record = registry.choose(lab_of(self.app, parsed_args))
        reader = effective.find(record, parsed_args.program, parsed_args.host or "")
        return effective.settings(record, reader, registry.lab_file(record))


def _of_release(parsed_args: argparse.Namespace) -> list[Setting]:
    if parsed_args.host:
        raise InvalidInput("--release is of no lab, so of no host", hint="Leave one of both out.")
    return effective.defaults(effective.word_of(parsed_args.program), release.resolve(parsed_args.release))
