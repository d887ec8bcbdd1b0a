"""The arguments of ``exec``, for the fast way and for the command class alike."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from fakevm.cli import argument
from fakevm.cli.argument import Strict
from fakevm.cli.help import HelpFormatter
from fakevm.cli.words import split_exec

EXAMPLES = """examples:
  fakevm exec web1 ip addr
  fakevm exec 1f3a -- ping -c1 10.0.0.3
  fakevm exec --host compute1 web1 "ping -c1 10.0.0.3"
  fakevm exec -t web1 bash
  tar c . | fakevm exec web1 --timeout 60 -- tar x -C /tmp

exit status: the command's own; 124 when --timeout stopped it, 127 when there is no such command
"""


class ExecParser(Strict):
    """Keeps the guest's command out of argparse's hands."""

    # argparse has overloads for what a caller may leave out; this has one form for all
    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse our own words; the command is left as it is."""
        words = split_exec(args if args is not None else [])
        parsed, extra = super().parse_known_args(list(words.own), namespace)
        parsed.command = words.command
        if not words.command:
            self.error("the command is missing")
        return parsed, extra


def make_parser(prog: str, **settings: Any) -> ExecParser:
    """Make the parser of ``exec``."""
    parser = ExecParser(prog=prog, usage=f"{prog} [options] GUEST [--] COMMAND...", **settings)
    parser.formatter_class = HelpFormatter
    parser.add_argument("vif", metavar="GUEST", help="the guest's name, or its port's id or the beginning of that")
    parser.add_argument(
        "--host", metavar="HOST", type=argument.host, help="where the guest is (found by itself where it can be)"
    )
    parser.add_argument("--timeout", metavar="SECONDS", type=argument.seconds, help="stop the command after this long")
    parser.add_argument("-t", "--terminal", action="store_true", help="give it a terminal (in a lab on this machine)")
    parser.add_argument("--remote", action="store_true", help="go through the broker even in a lab on this machine")
    parser.add_argument("--lab", metavar="NAME", dest="exec_lab", help="the lab, when several run")
    return parser


def parse(prog: str, words: Sequence[str]) -> argparse.Namespace:
    """Parse the words after ``exec``; ends the program upon a mistake, as argparse does."""
    return make_parser(prog, epilog=EXAMPLES).parse_args(words)
