"""``fakevm link list|show|add|remove|cut|join``: links between guests, and to what is no guest, while all goes on."""

from __future__ import annotations

import argparse
from typing import Any, ClassVar

from cliff.columns import FormattableColumn

from fakevm.cli import argument
from fakevm.cli.app import lab_of
from fakevm.cli.command import Command, Lister, ShowOne
from fakevm.cli.help import with_examples
from fakevm.cli.output import Columns, Table
from fakevm.cli.steps import ShownSteps
from fakevm.lab import links, registry
from fakevm.lab.links import Seen
from fakevm.model.lab import LabRecord
from fakevm.model.labfile import LinkFile
from fakevm.progress import Progress

LINK = "a link's name, as in the lab file"


class Ends(FormattableColumn[Any]):
    """The ends of a link that are ours (``End``), a line for each."""

    def human_readable(self) -> str:
        """Write each with its host, and what has come from its guest."""
        return "\n".join(
            f"{end} on {end.host or 'no host'}"
            + (f": {end.problem}" if end.problem else f", {end.frames} frames sent, {end.device} in the lab")
            for end in self._value
        )

    def machine_readable(self) -> list[dict[str, Any]]:
        """Keep all that is known of them."""
        return [end._asdict() for end in self._value]


class LinkList(Lister):
    """List the links of a lab, and how each is: up, cut, down (an end is not there), waiting for a far end, or lost."""

    first = ("name", "ends", "state", "problem", "carrier", "mtu")

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Declare the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        with_examples(parser, "fakevm link list", "fakevm --lab second link list -f json")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        """Look at them."""
        record = registry.choose(lab_of(self.app, parsed_args))
        with registry.living(record):
            found = links.seen(record)
        columns = ("name", "ends", "carrier", "mtu", "state", "problem")
        return columns, [
            (link.name, link.title, link.file.carrier, link.file.mtu, link.state, link.problem) for link in found
        ]


class LinkShow(ShowOne):
    """Show a link: its ends, where they are, what has come from each, and how a far end is that is not ours."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Declare the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("link", metavar="LINK", help=LINK)
        with_examples(parser, "fakevm link show core", "fakevm link show core -f json")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Columns:
        """Look at it."""
        record = registry.choose(lab_of(self.app, parsed_args))
        with registry.living(record):
            return _shown(links.one(record, parsed_args.link))


def _shown(link: Seen) -> Columns:
    file = link.file
    fields: dict[str, Any] = {
        "name": link.name,
        "ends": Ends(link.ends),
        "carrier": file.carrier,
        "mtu": file.mtu,
        "state": link.state,
    }
    fields |= {key: value for key in ("local", "remote", "vni") if (value := getattr(file, key)) not in ("", None)}
    fields |= {"problem": link.problem} if link.problem else {}
    return tuple(fields), tuple(fields.values())


class LinkAdd(ShowOne):
    """Make a link between interfaces of two guests, or from one to a far end that is not ours, while all goes on.

    The interfaces come with it. The lab's file has it from now on (fakevm lab export). A far end that is not ours is
    another lab, QEMU's netdevs (socket, dgram, stream), GNS3, or with vxlan another machine; nobody waits for it.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Declare the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("name", metavar="NEW_NAME", help="what the link is to be called")
        parser.add_argument("ends", metavar="GUEST:INTERFACE", nargs="+", help="its ends; one: the other is not ours")
        parser.add_argument("--carrier", metavar="CARRIER", help="veth (default), udp, tcp, multicast or vxlan")
        parser.add_argument("--local", metavar="HOST:PORT", help="where a far end that is not ours finds us")
        parser.add_argument("--remote", metavar="HOST:PORT", help="where a far end is that is not ours, or the group")
        parser.add_argument("--vni", metavar="NUMBER", type=argument.whole("a VNI", 0, 2**24 - 1), help="with vxlan")
        parser.add_argument("--mtu", metavar="BYTES", type=argument.whole("an MTU", 68, 65535), help="default: 1500")
        argument.add_timeout(parser, "the longest wait for each step")
        with_examples(
            parser,
            "fakevm link add core r1:eth1 r2:eth1",
            "fakevm link add jumbo r1:eth2 r2:eth2 --mtu 9216",
            "fakevm link add vm r1:eth3 --carrier udp --local 127.0.0.1:7001 --remote 127.0.0.1:7002",
            "fakevm link add vm r1:eth3 --carrier tcp --local 127.0.0.1:7001",
            "fakevm link add far r1:eth4 --carrier vxlan --remote 192.0.2.7 --vni 42",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Columns:
        """Make it."""
        record = registry.choose(lab_of(self.app, parsed_args))
        keys = ("ends", "carrier", "local", "remote", "vni", "mtu")
        spec = {key: getattr(parsed_args, key) for key in keys}
        with registry.alone(record, "link add"), ShownSteps() as steps:
            links.add(record, parsed_args.name, spec, steps, parsed_args.timeout)
        return _shown(links.one(record, parsed_args.name))


class _OnLinks(Command):
    """A command on links of a lab; what is so already is said, and no error."""

    word: ClassVar[str]
    already: ClassVar[str]

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Declare the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("links", metavar="LINK", nargs="+", help=LINK)
        argument.add_timeout(parser, "the longest wait for each step")
        with_examples(parser, f"fakevm link {self.word} core", f"fakevm --lab second link {self.word} core spare")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Do it to all, one after the other; those that do not exist are told before anything is done."""
        record = registry.choose(lab_of(self.app, parsed_args))
        with registry.alone(record, f"link {self.word}"), ShownSteps() as steps:
            lab = registry.lab_file(record)
            found = {name: links.known(record, lab, name) for name in dict.fromkeys(parsed_args.links)}
            for name, link in found.items():
                with steps.step(f"{self.word} {name}"):
                    changed = self.do(record, name, link, steps, parsed_args.timeout)
                if not changed:
                    steps.note(f"{name} {self.already} already")

    def do(self, record: LabRecord, name: str, link: LinkFile, steps: Progress, timeout: float) -> bool:
        """Do it to one link; False when it is so already."""
        raise NotImplementedError


class LinkRemove(_OnLinks):
    """Remove links, with the interfaces at their ends, while all else goes on. The lab's file has them no more."""

    word = "remove"
    already = "is removed"

    def do(self, record: LabRecord, name: str, link: LinkFile, steps: Progress, timeout: float) -> bool:
        """Remove it."""
        links.remove(record, {name: link}, steps, timeout)
        return True


class LinkCut(_OnLinks):
    """Let nothing pass links, as when a cable is cut between two media converters: the interfaces keep their carrier.

    They stay cut when guests restart or move, until they are joined.
    """

    word = "cut"
    already = "is cut"

    def do(self, record: LabRecord, name: str, link: LinkFile, steps: Progress, timeout: float) -> bool:
        """Cut it."""
        return links.cut(record, name)


class LinkJoin(_OnLinks):
    """Let all pass links again that were cut, and bring back what they lack: ends that were detached, a relay."""

    word = "join"
    already = "is joined"

    def do(self, record: LabRecord, name: str, link: LinkFile, steps: Progress, timeout: float) -> bool:
        """Join it."""
        return links.join(record, name, link, steps, timeout)
