"""The arguments of ``exec`` and ``ssh``, for the fast way and for the command classes alike."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Any

from fakevm.cli import argument
from fakevm.cli.argument import Strict
from fakevm.cli.choice import add_choice, is_group, refuse_both
from fakevm.cli.help import HelpFormatter
from fakevm.cli.words import ExecWords, split_exec, split_ssh
from fakevm.errors import InvalidInput

EXAMPLES = """examples:
  fakevm exec web1 ip addr
  fakevm exec 1f3a -- ping -c1 10.0.0.3
  fakevm exec --host compute1 web1 "ping -c1 10.0.0.3"
  fakevm exec -t web1 bash
  tar c . | fakevm exec web1 --timeout 60 -- tar x -C /tmp
  fakevm exec --all ip -brief address
  fakevm exec --on 'leaf*' --on spine1 --timeout 5 -- ping -c1 10.0.0.3
  fakevm exec --on 'web*' -f json hostname

exit status: the command's own; 124 when --timeout stopped it, 127 when there is no such command; of several guests the
greatest, and 1 for one in which it could not be run
"""
SSH_EXAMPLES = """examples:
  fakevm ssh web1
  fakevm ssh web1 uptime
  fakevm ssh -L 8080:localhost:80 web1
  fakevm ssh -J gateway inner hostname
  fakevm ssh --on 'leaf*' -- vtysh -c 'show ip route'
  fakevm ssh-config > lab.ssh; scp -F lab.ssh file web1:/tmp

exit status: the command's own; 255 when there is no connection, 124 when --timeout stopped it; of several guests the
greatest, and 1 for one in which it could not be run
"""
# ssh's own options that are passed on: with a value, and without.
SSH_VALUED = {
    "-L": ("LOCAL", "forward a port of this machine's to the guest, as ssh does: 8080:localhost:80; may be repeated"),
    "-R": ("REMOTE", "forward a port of the guest's to here; may be repeated"),
    "-D": ("SOCKS", "a SOCKS proxy into the guest's network, on this port; may be repeated"),
    "-l": ("USER", "log in as this user of the guest's (root)"),
    "-o": ("OPTION=VALUE", "another option of ssh's; may be repeated"),
}
SSH_FLAGS = {"-t": "have a terminal, also for a command", "-N": "run no command", "-v": "tell what ssh does"}


class ExecParser(Strict):
    """Keeps the guest's command out of argparse's hands."""

    split: Callable[[Sequence[str]], ExecWords] = staticmethod(split_exec)

    # argparse has overloads for what a caller may leave out; this has one form for all
    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse our own words; the command is left as it is."""
        words = self.split(args if args is not None else [])
        parsed, extra = super().parse_known_args(list(words.own), namespace)
        parsed.command = words.command
        try:
            self.check(parsed)
        except InvalidInput as problem:
            self.error(f"{problem.what}. {problem.hint}".rstrip(" ."))
        return parsed, extra

    def check(self, parsed: argparse.Namespace) -> None:
        """Refuse what does not go together. Raises InvalidInput."""
        refuse_both(parsed, parsed.vif)
        if not parsed.command:
            raise InvalidInput("the command is missing")
        _refuse_format(parsed)
        if is_group(parsed) and parsed.terminal:
            raise InvalidInput("-t is for one guest: there is one terminal")


class SshParser(ExecParser):
    """The same for ``ssh``, where no command is a shell."""

    split = staticmethod(split_ssh)

    def check(self, parsed: argparse.Namespace) -> None:
        """See ExecParser."""
        if parsed.stdio or parsed.ended:
            return
        refuse_both(parsed, parsed.vif)
        _refuse_format(parsed)
        if is_group(parsed) and not parsed.command:
            raise InvalidInput("the command is missing: a shell is for one guest")


def _refuse_format(parsed: argparse.Namespace) -> None:
    if parsed.format == "json" and not is_group(parsed):
        raise InvalidInput("-f json is for several guests", hint="For one: --on GUEST")


def make_parser(prog: str, **settings: Any) -> ExecParser:
    """Make the parser of ``exec``."""
    parser = ExecParser(prog=prog, usage=_usage(prog), **settings)
    parser.formatter_class = HelpFormatter
    _add_guest(parser)
    parser.add_argument("-t", "--terminal", action="store_true", help="give it a terminal (in a lab on this machine)")
    parser.add_argument("--remote", action="store_true", help="go through the broker even in a lab on this machine")
    return parser


def make_ssh_parser(prog: str, **settings: Any) -> SshParser:
    """Make the parser of ``ssh``."""
    parser = SshParser(prog=prog, usage=_usage(prog), **settings)
    parser.formatter_class = HelpFormatter
    _add_guest(parser)
    parser.add_argument(
        "-J", "--jump", metavar="GUEST", help="by way of another guest, over the network that is between them"
    )
    for name, (metavar, meaning) in SSH_VALUED.items():
        parser.add_argument(name, metavar=metavar, action="append", default=[], dest=f"ssh{name}", help=meaning)
    for name, meaning in SSH_FLAGS.items():
        parser.add_argument(name, action="count", default=0, dest=f"ssh{name}", help=meaning)
    parser.add_argument("--stdio", metavar="MARK", help="be the connection: what ssh-config has ssh run (ProxyCommand)")
    parser.add_argument("--ended", metavar="MARK", help="say what became of a guest whose connection broke off")
    return parser


def _usage(prog: str) -> str:
    return f"{prog} [options] GUEST [--] COMMAND...\n       {prog} [options] (--on PATTERN... | --all) [--] COMMAND..."


def _add_guest(parser: ExecParser) -> None:
    parser.add_argument(
        "vif", metavar="GUEST", nargs="?", help="the guest's name, or its port's id or the beginning of that"
    )
    add_choice(parser)
    parser.add_argument(
        "--host", metavar="HOST", type=argument.host, help="where the guest is (found by itself where it can be)"
    )
    parser.add_argument("--timeout", metavar="SECONDS", type=argument.seconds, help="stop the command after this long")
    parser.add_argument(
        "--parallel", metavar="N", type=argument.whole("a number", 1, 1000), default=32,
        help="of several guests, how many at a time (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "-f", "--format", choices=("lines", "json"), default="lines",
        help="of several guests: lines, each behind its guest's name, or an object for each guest at the end",
    )  # fmt: skip
    parser.add_argument("--lab", metavar="NAME", dest="exec_lab", help="the lab, when several run")


def parse(prog: str, words: Sequence[str]) -> argparse.Namespace:
    """Parse the words after ``exec``; ends the program upon a mistake, as argparse does."""
    return make_parser(prog, epilog=EXAMPLES).parse_args(words)


def parse_ssh(prog: str, words: Sequence[str]) -> argparse.Namespace:
    """Parse the words after ``ssh``; ends the program upon a mistake, as argparse does."""
    return make_ssh_parser(prog, epilog=SSH_EXAMPLES).parse_args(words)
