"""``fakevm host stop|start|kill|cut|join``: faults of a lab's hosts, made on purpose, and their repair."""

from __future__ import annotations

import argparse
import functools
import threading
from typing import ClassVar

from fakevm.cli import argument
from fakevm.cli.app import lab_of
from fakevm.cli.command import Command
from fakevm.cli.help import with_examples
from fakevm.cli.steps import ShownSteps
from fakevm.control.job import all_in_background
from fakevm.errors import FakevmError
from fakevm.lab import fault, registry
from fakevm.lab.topology import reboot
from fakevm.model.lab import LabRecord
from fakevm.progress import Progress

# Hosts that are worked on at once.
_PARALLEL = 8


class _OneOfMany(Progress):
    """Steps of several hosts at once: each is shown when it has ended, and of those under way how many there are."""

    def __init__(self, shown: ShownSteps, number: int, word: str) -> None:
        super().__init__()
        self._shown = shown
        self._number = number
        self._word = word
        self._done = 0
        self._lock = threading.Lock()

    def ended(self, title: str, seconds: float) -> None:
        """Show a step that ended; it is a host's own when its title says so."""
        with self._lock:
            self._done += title.startswith(f"{self._word} ")
            self._shown.ended(title, seconds)
            self._shown.began(f"{self._done} of {self._number} hosts")

    def note(self, text: str) -> None:
        """Show what stays."""
        self._shown.note(text)


class _HostFault(Command):
    """A command on hosts of a lab, on several at once; what is so already is said, and no error."""

    word: ClassVar[str]

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Declare the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("hosts", metavar="HOST", type=argument.host, nargs="+", help="a host of the lab")
        with_examples(parser, f"fakevm host {self.word} compute1", f"fakevm --lab second host {self.word} network1")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Do it to all; the first failure is raised when all have been tried."""
        record = registry.choose(lab_of(self.app, parsed_args))
        hosts = list(dict.fromkeys(parsed_args.hosts))
        with registry.living(record), ShownSteps() as steps:
            alone = steps if len(hosts) == 1 else _OneOfMany(steps, len(hosts), self.word)
            works = [functools.partial(self._try, record, host, alone) for host in hosts]
            problems = [problem for problem in all_in_background(works, _PARALLEL) if problem]
        for problem in problems[1:]:
            print(f"error: {problem}", file=self.app.stderr)
        if problems:
            raise problems[0]

    def _try(self, record: LabRecord, host: str, steps: Progress) -> FakevmError | None:
        try:
            with steps.step(f"{self.word} {host}"):
                changed = self.do(record, host, steps)
            if not changed:
                steps.note(f"{host} is {fault.states(record, host)[host]} already")
        except FakevmError as problem:
            return problem
        return None

    def do(self, record: LabRecord, host: str, steps: Progress) -> bool:
        """Do it to one host; False when it is so already."""
        raise NotImplementedError


class HostStop(_HostFault):
    """End a host of the lab in order, as by shutdown: its programs first, then its guests and all else in it."""

    word = "stop"

    def do(self, record: LabRecord, host: str, steps: Progress) -> bool:
        """Stop it."""
        return fault.stop(record, host)


class HostKill(_HostFault):
    """End a host of the lab at once, as by a power cut: all its processes, and its links."""

    word = "kill"

    def do(self, record: LabRecord, host: str, steps: Progress) -> bool:
        """Kill it."""
        return fault.kill(record, host)


class HostStart(_HostFault):
    """Start a host that was stopped or killed, and wait until its agents serve networks and routers.

    The guests on it are plugged again and get their addresses, and what the lab file runs in them is run again.
    """

    word = "start"

    def do(self, record: LabRecord, host: str, steps: Progress) -> bool:
        """Start it."""
        changed = fault.start(record, host, steps)
        if changed:
            reboot.run_again(record, host, steps)
        return changed


class HostCut(_HostFault):
    """Take all links of a host down: management, underlay and physical networks. Its processes go on."""

    word = "cut"

    def do(self, record: LabRecord, host: str, steps: Progress) -> bool:
        """Cut it off."""
        return fault.cut(record, host)


class HostJoin(_HostFault):
    """Take the links of a host up again."""

    word = "join"

    def do(self, record: LabRecord, host: str, steps: Progress) -> bool:
        """Join it again."""
        return fault.join(record, host)
