"""``exec`` in a lab on this machine: become the command, through the host's and the guest's namespaces.

A shell loop calls this often, so nothing heavy is imported here: neither cliff, nor openstacksdk, nor oslo.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import os
import shlex
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from fakevm.cli.choice import chosen
from fakevm.errors import InvalidInput, NotFound, Prerequisite
from fakevm.model.lab import LabRecord

if TYPE_CHECKING:
    from fakevm.lab.roster import Entry

# Seconds between the signal that asks a command to end and the one that ends it.
GRACE = 5
# Gives a command the signals that those around it ignore; nsenter could not pass on that it died of one of them, so
# a shell makes an exit status of it (130).
INTERRUPTIBLE = ("env", "--default-signal=INT,QUIT", "sh", "-c", 'trap : INT QUIT; "$@"; exit $?', "sh")
# timeout(1) ends with 137 when it had to kill a command that ignored SIGTERM; 137 may be the command's own status, too.
# So who was killed when its time ($1: hundredths of a second) was over timed out: 124. The shell has no trap: it ends
# by any signal, and timeout is told.
_WATCH = (
    'limit=$1; shift; read -r up _ </proc/uptime; begin=${up%.*}${up#*.}; setpriv --pdeathsig TERM "$@"; status=$?; '
    "read -r up _ </proc/uptime; "
    '[ "$status" -ne 137 ] || [ "$((${up%.*}${up#*.} - begin))" -lt "$limit" ] || status=124; exit "$status"'
)


def wrap(command: Sequence[str], timeout: float | None, terminal: bool, at_terminal: bool | None = None) -> list[str]:
    """Put around a command what stops it in time, or gives it a terminal.

    ``timeout`` leads a process group of its own, to which it passes on a signal that it gets: so also the command's
    children end, and a command that changes its user, to which the kernel no longer says that its parent died
    (prctl(2), PR_SET_PDEATHSIG): tcpdump does. Only at a terminal must the command stay in the foreground, where Ctrl-C
    reaches all of them anyway.
    """
    at_terminal = os.isatty(0) if at_terminal is None else at_terminal
    if terminal and not at_terminal:
        raise InvalidInput("-t needs a terminal, and standard input is none", hint="Leave -t out.")
    foreground = ["--foreground"] if at_terminal else []
    limit = ["timeout", *foreground, f"--kill-after={GRACE}", f"{timeout or 0:g}"]
    limited = [*limit, *command] if timeout or not at_terminal else list(command)
    if timeout:
        limited = ["sh", "-c", _WATCH, "sh", str(int(timeout * 100)), *limited]
    if terminal:
        return ["script", "--quiet", "--return", "--command", shlex.join(limited), "/dev/null"]
    return [*INTERRUPTIBLE, *limited] if at_terminal else limited


def run(lab: LabRecord, parsed: argparse.Namespace) -> int | None:
    """Become the command, or run it in several guests: their exit status; None when it cannot be run in this lab.

    Raises InvalidInput, LabFailed, Prerequisite, OutputLost.
    """
    from fakevm.lab import roster

    if parsed.on or parsed.all:
        return _run_in_several(lab, parsed, chosen(parsed, roster.entries(lab, parsed.host)))
    with contextlib.suppress(NotFound, PermissionError):  # the long way finds out, and says, what is wrong
        guest = roster.choose_guest(lab, parsed.vif, parsed.host)
        if guest:
            run_in_guest(lab, guest, parsed.command, timeout=parsed.timeout, terminal=parsed.terminal)
    return None


def _run_in_several(lab: LabRecord, parsed: argparse.Namespace, guests: Sequence[Entry]) -> int:
    from fakevm.cli import group
    from fakevm.cli.failure import end_tidily_on_signals
    from fakevm.lab.entrance import entrance_of

    end_tidily_on_signals()

    def argv_of(guest: Entry) -> list[str]:
        reach, inside = entrance_of(lab, guest.host, guest.id, parent=True)
        return [*reach, *wrap([*inside, *parsed.command], parsed.timeout, False, at_terminal=False)]

    works = [group.Local(each.id, each.title, each.host, functools.partial(argv_of, each)) for each in guests]
    return group.run(works, as_json=parsed.format == "json", at_once=parsed.parallel)


def run_in_guest(
    lab: LabRecord, guest: tuple[str, str], command: Sequence[str], *, timeout: float | None, terminal: bool
) -> None:
    """Become a command in a guest of a lab on this machine. Raises InvalidInput, LabFailed, Prerequisite."""
    from fakevm.lab.entrance import entrance_of

    reach, inside = entrance_of(lab, *guest, parent=True)
    # What stops it is the host's: a guest may have files of its own, with other programs.
    run_in(reach, [*inside, *command], timeout=timeout, terminal=terminal)


def run_in(
    entrance: Sequence[str], command: Sequence[str], *, timeout: float | None = None, terminal: bool = False
) -> None:
    """Become a command behind the words that enter its namespaces; it ends when whoever runs it stops this process.

    Raises InvalidInput, Prerequisite.
    """
    argv = [*entrance, *wrap(command, timeout, terminal)]
    if os.isatty(0):
        # At a terminal Ctrl-C is for the command alone: did nsenter die of it, the command would be killed with it
        # before it could say its last words (ping's statistics).
        for signum in (signal.SIGINT, signal.SIGQUIT):
            signal.signal(signum, signal.SIG_IGN)
    become(argv)


def become(argv: Sequence[str]) -> None:
    """Replace this process. Raises Prerequisite when a tool is missing."""
    sys.stdout.flush()
    # Python ignores it, and a program that is run so would complain of a pipe that nobody reads any more.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        os.execvp(argv[0], list(argv))
    except FileNotFoundError as problem:
        raise Prerequisite(f"there is no program {argv[0]}", hint="`fakevm doctor` lists what is needed.") from problem
