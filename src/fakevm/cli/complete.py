"""``fakevm complete SHELL``: what makes a shell complete commands, options and values."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from pathlib import Path
from typing import Any

import shtab

from fakevm import __version__
from fakevm.cli.command import Command
from fakevm.cli.help import with_examples
from fakevm.cli.values import KINDS
from fakevm.errors import InvalidInput

SHELLS = ("bash", "zsh")
PROGRAMS = ("fakevm", "neutron-fakevm")

# What the arguments of all commands are called, and the values that there are for them; "files" are the shell's own.
VALUES = {
    "BACKEND": "backends",
    "CLIENT": "clients",
    "DEST": "hosts",
    "DIR": "files",
    "FILE": "files",
    "FILE|LAB": "files",
    "HOST": "hosts",
    "INTERFACE": "interfaces",
    "LAB": "labs",
    "LINK": "links",
    "CARRIER": "carriers",
    "NAME": "labs",
    "NETWORK": "networks",
    "PATTERN": "guests",
    "NEUTRON_PORT": "ports",
    "LINK|INTERFACE": "points",
    "POINT|FILTER": "points",
    "PROGRAM": "programs",
    "RELEASE": "releases",
    "SRC": "hosts",
    "TEMPLATE": "templates",
    "TOOL": "tools",
    "GUEST": "guests",
}
# Those that are called so and are something else: by command and argument.
OTHERS = {("check", "only"): "checks"}

_FUNCTION = {
    "bash": '_fakevm_{kind}() {{ {program} complete --values {kind} bash "$1" "${{COMP_WORDS[@]}}" 2>/dev/null; }}',
    # Above the commands of a group zsh keeps only their own words.
    "zsh": '_fakevm_{kind}() {{ local -a found; found=("${{(@f)$({program} complete --values {kind} zsh "" '
    '${{(Q)${{(z)BUFFER}}}} 2>/dev/null)}}"); found=(${{found:#}}); compadd -a found }}',
}


class Complete(Command):
    """Print what makes a shell complete commands, options and values: labs, hosts, guests, releases…

    Its first lines say where it goes. bash needs nothing else for it, in particular no package bash-completion.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Declare the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("shell", choices=SHELLS, help="the shell")
        with_examples(
            parser,
            "fakevm complete bash > ~/.fakevm-completion.bash",
            "fakevm complete zsh > ~/.fakevm-completion.zsh",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Print it."""
        self.app.stdout.write(script(parsed_args.shell, type(self.app)))


def script(shell: str, application: Any) -> str:
    """Write the script for a shell. Raises InvalidInput when this program cannot be found again."""
    parts = []
    for program in PROGRAMS:
        functions = "\n".join(_FUNCTION[shell].format(kind=kind, program=_program()) for kind in KINDS)
        parts.append(shtab.complete(tree(program, application), shell=shell, preamble=functions))
    # shtab's script for zsh is read as one of a program's own, in fpath, unless `eval` reads it.
    before, after = ("eval \"$(cat <<'END OF COMPLETION'", 'END OF COMPLETION\n)"') if shell == "zsh" else ("", "")
    return "\n".join(filter(None, (_NOTE[shell], before, *parts, after))) + "\n"


_NOTE = {
    "bash": "# Put this into a file, and into ~/.bashrc:  source FILE",
    "zsh": "# Put this into a file, and into ~/.zshrc, after compinit:  source FILE",
}


def _program() -> str:
    """Name this program by its path, so that values are completed wherever PATH leads later."""
    path = Path(sys.argv[0])
    if not os.access(path, os.X_OK):
        raise InvalidInput(f"this program is not a file: {path}", hint="Run it as fakevm complete SHELL.")
    return shlex.quote(str(path.absolute()))


def tree(program: str, application: Any) -> argparse.ArgumentParser:
    """Build one parser of all commands: a group's (``lab``) has those of its commands."""
    app = application()
    root: argparse.ArgumentParser = app.build_option_parser("", __version__)
    root.prog = program
    groups = {"": root.add_subparsers()}
    for name, entry in sorted(app.command_manager.commands.items()):
        group, _, word = name.rpartition(" ")
        if group not in groups:
            groups[group] = groups[""].add_parser(group, help=f"commands on {group}s").add_subparsers()
        command = (entry.load() if hasattr(entry, "load") else entry)(app, None)
        own = command.get_parser(f"{program} {name}")
        made = groups[group].add_parser(word, parents=[own], add_help=False, help=_first_line(command))
        made.description = _first_line(command)
        _complete_values(made, name)
    _complete_values(root, "")
    return root


def _first_line(command: Any) -> str:
    return (command.get_description() or "").strip().partition("\n")[0].replace("%", "%%")


def _complete_values(parser: argparse.ArgumentParser, name: str) -> None:
    for action in parser._actions:
        kind = OTHERS.get((name, action.dest)) or VALUES.get(str(action.metavar))
        if kind:
            complete = shtab.FILE if kind == "files" else dict.fromkeys(SHELLS, f"_fakevm_{kind}")
            action.complete = complete  # type: ignore[attr-defined]
