"""The commands on what befalls frames: impair set, show, reset."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from typing import Any

from fakevm.cli.command import Lister
from fakevm.cli.help import with_examples
from fakevm.cli.output import Table
from fakevm.cli.port import warn
from fakevm.cli.session import open_session
from fakevm.cli.steps import shown
from fakevm.control.impairing import Direction, Impaired, Impairing
from fakevm.errors import InvalidInput
from fakevm.model.impairment import CHANCES, EFFECTS, NOTHING, Change, Effect

_TARGET = "a link's name, or an interface of a guest: GUEST:INTERFACE"
_MEANS = {
    "delay": "how long each frame is held: 25ms, 0.1s",
    "jitter": "by up to so much more, or less, at random",
    "loss": "so many of the frames are lost, at random: 1%%",
    "duplicate": "so many come twice",
    "reorder": "so many go at once, before those that wait",
    "corrupt": "so many have one bit turned over",
}
_LIMITS = (
    "This kernel has no netem: a delay line, a program, does it instead. Its limits: a few Gbit/s with a delay alone, "
    "some 50000 frames/s with anything else; docs/reference/impairments.md"
)


def _duration(text: str) -> float:
    return _read("Delay", text)


def _chance(text: str) -> float:
    return _read("Percent", text)


def _read(kind: str, text: str) -> float:
    """Read a word as a lab file does."""
    from pydantic import TypeAdapter, ValidationError

    from fakevm.lab.wording import in_plain_words
    from fakevm.model.labfile import word

    try:
        return float(TypeAdapter(getattr(word, kind)).validate_python(text))
    except ValidationError as exc:
        raise argparse.ArgumentTypeError(f"{text!r}: {in_plain_words(exc.errors()[0])}") from None


class _Changing(Lister):
    """A command that changes what befalls frames, and shows it."""

    first = ("interface", "direction", "impairment", "shape", "by", "problem")

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Declare the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("target", metavar="LINK|INTERFACE", help=_TARGET)
        parser.add_argument(
            "--from",
            dest="sender",
            metavar="GUEST",
            default="",
            help="of a link: only the frames that this guest sends",
        )
        parser.add_argument("--sent", action="store_true", help="of an interface: only the frames that it sends")
        parser.add_argument("--received", action="store_true", help="of an interface: only those that it receives")
        return parser

    def _change(self, parsed_args: argparse.Namespace, change: Change) -> Table:
        ways: list[Direction] = ["sent"] if parsed_args.sent else []
        ways += ["received"] if parsed_args.received else []
        with open_session(self.app) as session, shown(self.app) as progress:
            progress.seen("asking the hosts")
            impairing = Impairing(session.neutron, session.agents)
            rows = impairing.change(parsed_args.target, change, sender=parsed_args.sender, ways=ways)
        if any("delay line" in row.means for row in rows):
            print(f"note: {_LIMITS}", file=self.app.stderr)
        return impaired_table(rows)


class ImpairSet(_Changing):
    """Change what befalls the frames of a link, or of a guest's interface, while it runs.

    Only what is named changes; 0 takes it away. Of a link both ends' frames are meant, of an interface those that it
    sends and those that it receives. The guests' devices stay as they are, and frames that are on their way arrive. It
    stays when the guest is stopped, started or moved; `fakevm lab apply` replaces it where the file says another one.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Declare the arguments."""
        parser = super().get_parser(prog_name)
        for effect in EFFECTS:
            kind: Callable[[str], Any] = _chance if effect in CHANCES else _duration
            metavar = "PERCENT" if effect in CHANCES else "TIME"
            parser.add_argument(f"--{effect}", metavar=metavar, type=kind, help=_MEANS[effect])
        with_examples(
            parser,
            "fakevm impair set core --delay 25ms --jitter 2ms",
            "fakevm impair set core --from r1 --loss 1%",
            "fakevm impair set vm1:eth0 --received --loss 0",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        """Change it."""
        named: dict[Effect, float] = {
            effect: value for effect in EFFECTS if (value := getattr(parsed_args, effect)) is not None
        }
        if not named:
            raise InvalidInput(f"say what is to befall the frames: one of --{', --'.join(EFFECTS)}")
        return self._change(parsed_args, Change(impair=named))


class ImpairReset(_Changing):
    """Take all impairments of a link, or of a guest's interface, away; its shape stays."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Declare the arguments."""
        parser = super().get_parser(prog_name)
        with_examples(parser, "fakevm impair reset core", "fakevm impair reset vm1:eth0 --sent")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        """Take them away."""
        return self._change(parsed_args, NOTHING)


class ImpairShow(Lister):
    """Show what befalls frames, and by what: of a link or an interface, or of all that have something."""

    first = ("interface", "direction", "impairment", "shape", "by", "problem")

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Declare the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("target", metavar="LINK|INTERFACE", nargs="?", help=_TARGET)
        with_examples(parser, "fakevm impair show", "fakevm impair show core -f json")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        """Show it; hosts that could not be asked are named on standard error."""
        with open_session(self.app) as session, shown(self.app) as progress:
            progress.seen("asking the hosts")
            rows, unasked = Impairing(session.neutron, session.agents).rows(parsed_args.target)
        warn(self.app, unasked)
        return impaired_table(rows)


def impaired_table(rows: Iterable[Impaired]) -> Table:
    """Show what befalls frames, a row for each direction of an interface."""
    columns = ("interface", "direction", "attached", "host", "impairment", "shape", "by", "problem")
    return columns, [
        (
            f"{row.guest}:{row.interface}",
            row.direction,
            row.attached,
            row.host,
            row.conditions.impair.words,
            row.conditions.shape.words,
            row.means,
            row.problem,
        )
        for row in rows
    ]
