"""The commands of the user's that a guest is to keep running."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator

from fakevm.model.daemon import Daemon
from fakevm.model.labfile.guest import RunFile

# What the name of a log cannot have.
_OTHER = re.compile(r"[^A-Za-z0-9._-]+")


def commands(run: Iterable[RunFile], taken: Iterable[str] = ()) -> Iterator[Daemon]:
    """Give those of a guest's commands that it is to keep running, each called by its program.

    Where that is ``taken``, or two are called so, there is a number behind.
    """
    names = set(taken)
    for kept in (each for each in run if each.is_kept):
        name = program = _program(kept.command)
        number = 1
        while name in names:
            number += 1
            name = f"{program}-{number}"
        names.add(name)
        # The shell becomes the command, where it is one: it has nothing else to do.
        yield Daemon(name=name, command=("sh", "-c", kept.command))


def _program(command: str) -> str:
    try:
        words = shlex.split(command)
    except ValueError:
        words = command.split()
    first = next((word for word in words if "=" not in word and word not in ("exec", "env")), "")
    return _OTHER.sub("-", first.rpartition("/")[2]).strip("-.") or "command"
