"""``fakevm lab restart|stop|start|kill``: single programs of a lab, as an operator or a crash treats them."""

from __future__ import annotations

import argparse
from typing import ClassVar

from fakevm.cli import argument
from fakevm.cli.app import lab_of
from fakevm.cli.command import Command
from fakevm.cli.help import with_examples
from fakevm.cli.steps import ShownSteps
from fakevm.lab import programs, registry
from fakevm.lab.programs import Program
from fakevm.model.lab import LabRecord


class _OnPrograms(Command):
    """A command on programs of a lab: one after the other; what is so already is said, and no error."""

    word: ClassVar[str]
    example: ClassVar[str] = "compute1/neutron-openvswitch-agent"
    already: ClassVar[str] = ""
    #: whether the program is asked to end, politely at first
    ends: ClassVar[bool] = True
    #: whether it is waited for until it serves
    waits: ClassVar[bool] = True

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Declare the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument(
            "programs", metavar="PROGRAM", nargs="+",
            help="as in `lab status`: neutron-api, compute1/neutron-openvswitch-agent",
        )  # fmt: skip
        if self.ends:
            parser.add_argument(
                "--grace", metavar="SECONDS", type=argument.seconds,
                help="how long it may take to end before it is killed (default: the program's own, 10 at most)",
            )  # fmt: skip
        if self.waits:
            argument.add_timeout(parser, "how long it is waited for until it serves")
        with_examples(
            parser,
            f"fakevm lab {self.word} {self.example}",
            f"fakevm lab {self.word} network1/neutron-dhcp-agent network1/neutron-l3-agent",
            f"fakevm --lab second lab {self.word} neutron-api",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Do it."""
        record = registry.choose(lab_of(self.app, parsed_args))
        found = programs.find(record, parsed_args.programs)
        with ShownSteps() as steps:
            for program in found:
                with steps.step(f"{self.word} {program}"):
                    changed = self.do(record, program, steps, parsed_args)
                if not changed:
                    steps.note(f"{program} {self.already} already")

    def do(self, record: LabRecord, program: Program, steps: ShownSteps, parsed_args: argparse.Namespace) -> bool:
        """Do it to one program; False when it is so already."""
        raise NotImplementedError


class LabRestart(_OnPrograms):
    """Restart programs of a lab: SIGTERM; SIGKILL when one has not ended in time; then wait until it serves again.

    An agent serves when Neutron has heard of it anew and what it is to serve on its host is wired.
    """

    word = "restart"

    def do(self, record: LabRecord, program: Program, steps: ShownSteps, parsed_args: argparse.Namespace) -> bool:
        """Restart it."""
        programs.restart(record, program, steps, grace=parsed_args.grace, timeout=parsed_args.timeout)
        return True


class LabStop(_OnPrograms):
    """Stop programs of a lab: SIGTERM; SIGKILL when one has not ended in time. They stay so until they are started."""

    word = "stop"
    already = "is stopped"
    waits = False

    def do(self, record: LabRecord, program: Program, steps: ShownSteps, parsed_args: argparse.Namespace) -> bool:
        """Stop it."""
        return programs.stop(record, program, grace=parsed_args.grace)


class LabStart(_OnPrograms):
    """Start programs of a lab that were stopped, and wait until they serve."""

    word = "start"
    already = "runs"
    ends = False

    def do(self, record: LabRecord, program: Program, steps: ShownSteps, parsed_args: argparse.Namespace) -> bool:
        """Start it."""
        return programs.start(record, program, steps, timeout=parsed_args.timeout)


class LabKill(_OnPrograms):
    """Kill programs of a lab at once, as a crash does (SIGKILL). They come back: wait until they serve."""

    word = "kill"
    already = "is stopped"
    ends = False

    def do(self, record: LabRecord, program: Program, steps: ShownSteps, parsed_args: argparse.Namespace) -> bool:
        """Kill it."""
        return programs.kill(record, program, steps, timeout=parsed_args.timeout)
