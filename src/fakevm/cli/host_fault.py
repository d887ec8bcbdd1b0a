"""``fakevm host stop|start|kill|cut|join``: faults of a lab's hosts, made on purpose, and their repair."""

from __future__ import annotations

import argparse
from typing import ClassVar

from fakevm.cli import argument
from fakevm.cli.app import lab_of
from fakevm.cli.command import Command
from fakevm.cli.help import with_examples
from fakevm.cli.steps import ShownSteps
from fakevm.lab import fault, registry
from fakevm.lab.topology import reboot
from fakevm.model.lab import LabRecord


class _HostFault(Command):
    """A command on hosts of a lab: one after the other; what is so already is said, and no error."""

    word: ClassVar[str]

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Declare the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("hosts", metavar="HOST", type=argument.host, nargs="+", help="a host of the lab")
        with_examples(parser, f"fakevm host {self.word} compute1", f"fakevm --lab second host {self.word} network1")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Do it."""
        record = registry.choose(lab_of(self.app, parsed_args))
        with registry.living(record), ShownSteps() as steps:
            for host in parsed_args.hosts:
                with steps.step(f"{self.word} {host}"):
                    changed = self.do(record, host, steps)
                if not changed:
                    steps.note(f"{host} is {fault.states(record)[host]} already")

    def do(self, record: LabRecord, host: str, steps: ShownSteps) -> bool:
        """Do it to one host; False when it is so already."""
        raise NotImplementedError


class HostStop(_HostFault):
    """End a host of the lab in order, as by shutdown: its programs first, then its guests and all else in it."""

    word = "stop"

    def do(self, record: LabRecord, host: str, steps: ShownSteps) -> bool:
        """Stop it."""
        return fault.stop(record, host)


class HostKill(_HostFault):
    """End a host of the lab at once, as by a power cut: all its processes, and its links."""

    word = "kill"

    def do(self, record: LabRecord, host: str, steps: ShownSteps) -> bool:
        """Kill it."""
        return fault.kill(record, host)


class HostStart(_HostFault):
    """Start a host that was stopped or killed, and wait until its agents serve networks and routers.

    The guests on it are plugged again and get their addresses, and what the lab file runs in them is run again.
    """

    word = "start"

    def do(self, record: LabRecord, host: str, steps: ShownSteps) -> bool:
        """Start it."""
        changed = fault.start(record, host, steps)
        if changed:
            reboot.run_again(record, host, steps)
        return changed


class HostCut(_HostFault):
    """Take all links of a host down: management, underlay and physical networks. Its processes go on."""

    word = "cut"

    def do(self, record: LabRecord, host: str, steps: ShownSteps) -> bool:
        """Cut it off."""
        return fault.cut(record, host)


class HostJoin(_HostFault):
    """Take the links of a host up again."""

    word = "join"

    def do(self, record: LabRecord, host: str, steps: ShownSteps) -> bool:
        """Join it again."""
        return fault.join(record, host)
