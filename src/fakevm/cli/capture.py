"""``fakevm capture``: packets at several points of a lab at once, as words or in one file."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fakevm.cli import argument
from fakevm.cli.app import lab_of
from fakevm.cli.command import Command, Parser
from fakevm.cli.help import with_examples
from fakevm.errors import FakevmError, InvalidInput
from fakevm.lab import registry
from fakevm.lab.capture import listener, point
from fakevm.lab.capture.capturing import Capture as Capturing
from fakevm.lab.capture.capturing import Limits
from fakevm.lab.capture.listener import Wanted
from fakevm.lab.capture.output import Output, Pcapng, Words
from fakevm.view import file

_STANDARD_OUTPUT = Path("-")


class _Mixed(Parser):
    """A parser whose options may stand between the points and the words of the filter."""

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse."""
        return self.parse_intermixed_args(args, namespace)


class Capture(Command):
    """See packets at points of a lab, several at once: as lines on a terminal, else as pcapng.

    A POINT is GUEST:INTERFACE, seen in the guest, or GUEST for all of its interfaces; LINK or BRIDGE, seen outside the
    guests, each packet once; or HOST:DEVICE, a device of a host or of one of its namespaces (qrouter-…, qdhcp-…),
    HOST:NAMESPACE:DEVICE where several have it, and lab:DEVICE around the hosts. The first word that is no point begins
    the FILTER, in the words of tcpdump (pcap-filter(7)).

    All points are in one file, each as an interface with its name. A guest that reboots or moves is followed. What is
    gone is told, and ends only its own point. Ctrl-C ends the capture, and the file is whole.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Declare the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.__class__ = _Mixed
        parser.add_argument("words", metavar="POINT|FILTER", nargs="+", help="where, then a filter: r1:eth1 core icmp")
        parser.add_argument(
            "-w", "--write", metavar="FILE", type=Path, help="write pcapng to FILE; - is standard output"
        )
        parser.add_argument(
            "--count", metavar="N", type=argument.whole("a number of packets", 1, 10**9), help="end after N packets"
        )
        parser.add_argument("--duration", metavar="SECONDS", type=argument.seconds, help="end after so long")
        parser.add_argument(
            "--snaplen", metavar="BYTES", type=argument.whole("a number of bytes", 1, 262144), default=262144,
            help="keep no more of each packet (default: all)",
        )  # fmt: skip
        parser.add_argument("-e", "--ethernet", action="store_true", help="show Ethernet headers, too, in lines")
        with_examples(
            parser,
            "fakevm capture r1:eth1",
            "fakevm capture core compute1:br-int -w both.pcapng icmp or arp",
            "fakevm capture vm1:eth0 vm2:eth0 --duration 10 -w vms.pcapng",
            "fakevm capture core | wireshark -k -i -",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        """Capture; 0, or 128 + N when it was ended by signal N that is not Ctrl-C."""
        record = registry.choose(lab_of(self.app, parsed_args))
        points, rest = point.split(record, parsed_args.words)
        in_words = parsed_args.write is None and os.isatty(1)
        wanted = Wanted(tuple(rest), parsed_args.snaplen, in_words, parsed_args.ethernet)
        listener.check(wanted)
        with self._output(parsed_args.write, in_words, [one.name for one in points]) as output:
            limits = Limits(parsed_args.count, parsed_args.duration)
            capturing = Capturing(points, wanted, output, limits, self._tell)
            try:
                signum = capturing.run()
            finally:
                self._sum_up(capturing)
        return 0 if signum in (0, 2) else 128 + signum

    @contextlib.contextmanager
    def _output(self, write: Path | None, in_words: bool, names: list[str]) -> Iterator[Output]:
        if in_words:
            yield Words(names)
        elif write in (None, _STANDARD_OUTPUT):
            if os.isatty(1):
                raise InvalidInput("a terminal shows no pcapng", hint="Leave -w out, or name a file.")
            sys.stdout.flush()
            yield Pcapng(1, "standard output")
        else:
            assert write
            file.check(write)
            with _opened(write) as descriptor:
                yield Pcapng(descriptor, str(write))

    def _tell(self, what: str) -> None:
        print(what, file=self.app.stderr, flush=True)

    def _sum_up(self, capturing: Capturing) -> None:
        """Say how many packets there were, and how many are missing."""
        for watched in capturing.watched:
            lost = f", {watched.dropped} dropped by the kernel" if watched.dropped else ""
            noun = "packet" if watched.packets == 1 else "packets"
            self._tell(f"{watched.point.name}: {watched.packets} {noun}{lost}")


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
    except OSError as exc:
        raise FakevmError(f"cannot write {path}: {exc.strerror}", hint="Name a file that you may write.") from exc
    try:
        yield descriptor
    finally:
        os.close(descriptor)
