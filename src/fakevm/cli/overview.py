"""``fakevm`` alone, ``fakevm help`` and ``fakevm help GROUP``: the commands in groups, and where to begin."""

from __future__ import annotations

import argparse
import shutil
import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

from fakevm.cli import command as kinds

WIDEST = 100
ABOUT = "FakeVM tests OpenStack Neutron without Nova: fake VMs, emulated hosts, a whole Neutron in seconds."
BEGIN = (
    ("fakevm doctor", "what FakeVM needs of this machine"),
    ("fakevm lab up", "a Neutron with two compute hosts and a network host"),
    ('eval "$(fakevm lab env)"', "this shell's openstack client works with it"),
    ("fakevm lab init", "lab files to begin with: networks, guests, checks"),
)
# The groups, with the commands in the order in which people need them; a family (`lab …`) follows by its first word.
GROUPS: Mapping[str, tuple[str, ...]] = {
    "guests": (
        "create-port", "list", "show", "exec", "ssh", "migrate", "delete-port", "plug", "unplug", "unplug-all-host",
        "guest list", "guest show", "guest start", "guest stop", "guest reboot", "guest", "interface",
        "ssh-config", "inventory",
    ),
    "labs": (
        "lab up", "lab down", "lab list", "lab status", "lab env", "lab exec", "lab shell", "lab logs", "lab restart",
        "lab",
    ),
    "files": ("lab init", "lab validate", "lab schema", "lab apply", "lab diff", "lab export"),
    "hosts": ("host list", "host stop", "host kill", "host start", "host cut", "host join", "host"),
    "links": ("link list", "link show", "link add", "link remove", "link cut", "link join", "link", "impair"),
    "checks": ("check", "capture", "graph", "events", "tempest"),
    "machine": (
        "doctor", "release list", "release", "tool list", "tool", "warm start", "warm stop", "warm status", "complete",
    ),
}  # fmt: skip
OTHERS = "others"
SEE = (
    ("fakevm help GROUP", "a line for each command of a group (guests, labs…)"),
    ("fakevm COMMAND --help", "a command's arguments, with examples"),
    ("fakevm --help", "the options that every command has"),
)


def grouped(commands: Iterable[str]) -> dict[str, list[str]]:
    """Sort commands into groups; what is in none comes last."""
    found: dict[str, list[str]] = {name: [] for name in (*GROUPS, OTHERS)}
    home = {word: name for name, words in GROUPS.items() for word in words}
    for command in sorted(set(commands) - {"help"}):
        found[home.get(command, home.get(command.split()[0], OTHERS))].append(command)
    for name, words in GROUPS.items():
        found[name] = [word for word in words if word in found[name]] + [c for c in found[name] if c not in words]
    return {name: members for name, members in found.items() if members}


def overview(commands: Iterable[str]) -> str:
    """Write where to begin, and the groups with the names of their commands."""
    rows = [(name, _names(members)) for name, members in grouped(commands).items()]
    return "\n".join(
        [
            *textwrap.wrap(ABOUT, _width()),
            *("", "Begin with:", *_columns(BEGIN)),
            *("", "Commands:", *_columns(rows)),
            *("", *_columns(SEE, indent=0), ""),
        ]
    )


def _names(members: Iterable[str]) -> str:
    """List commands, with the word of a family once: lab up, down, list…"""
    families: dict[str, list[str]] = {}
    for command in members:
        family, _, rest = command.rpartition(" ")
        families.setdefault(family, []).append(rest)
    return "; ".join(f"{family} {', '.join(rests)}".strip() for family, rests in families.items())


def _columns(rows: Iterable[tuple[str, str]], indent: int = 2) -> list[str]:
    """Write rows of two columns, the second wrapped."""
    rows = list(rows)
    left = max(len(first) for first, _ in rows) + 2
    lines = []
    for first, second in rows:
        begin = " " * indent + f"{first:{left}}"
        indented = " " * len(begin)
        lines += textwrap.wrap(
            second, _width(), initial_indent=begin, subsequent_indent=indented, break_on_hyphens=False
        )
    return lines


def _width() -> int:
    return min(shutil.get_terminal_size().columns, WIDEST)


class Help(kinds.Help):
    """Show where to begin; or the commands of a group or family; or all about one command."""

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        """Show it."""
        commands: Mapping[str, Any] = self.app.command_manager.commands
        words = " ".join(parsed_args.cmd)
        if not words:
            self.app.stdout.write(overview(commands))
        elif members := [] if words in commands else group(words, commands):
            self.app.stdout.write("\n".join(_columns((name, self._line(name)) for name in members)) + "\n")
        else:
            return int(super().take_action(parsed_args))
        return 0

    def _line(self, name: str) -> str:
        """Give the first line of a command's own description."""
        factory, _, _ = self.app.command_manager.find_command(name.split())
        return str(factory(self.app, None).get_description()).split("\n", maxsplit=1)[0]


def group(words: str, commands: Iterable[str]) -> list[str]:
    """List the commands of a group, or of a family; none for other words."""
    found = grouped(commands)
    members = found.get(words) or [name for name in commands if name.startswith(f"{words} ")]
    return members if words in found else sorted(members)
