"""Processes that outlive who started them, and are found again by who comes after: each has a file that says which."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import IO

# The process writes down itself, so that it is known before it does anything. Should who started it have died just
# then, another may look for it and find nothing: it does nothing then, either.
_BEGIN = """\
read -r stat </proc/$$/stat && echo "$1 $stat" >"$2" && [ "$PPID" = "$3" ] || exit 1
shift 3
exec "$@"
"""
# proc(5): the fields of /proc/PID/stat behind the name, from the third on.
_STATE, _START = 0, 19
_DEAD = ("Z", "X")


class Lasting:
    """A process in a session of its own, whose children of the same session end with it.

    :param child: of ours; None: one that somebody else has started
    """

    def __init__(self, pid: int, note: Path, child: subprocess.Popen[bytes] | None) -> None:
        self.pid = pid
        self.descriptor = os.pidfd_open(pid)
        """Can be read when it has ended."""
        self._note = note
        self._child = child

    def signal(self, signum: signal.Signals) -> None:
        """Send a signal to it and to its children."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signum)

    def bury(self) -> int | None:
        """End its children, once it has ended itself, and have done with it.

        Returns its exit status, -9 when signal 9 has ended it; None: nobody knows.
        """
        # Before its number is given to another.
        self.signal(signal.SIGKILL)
        status = self._child.wait() if self._child else None
        os.close(self.descriptor)
        self._note.unlink(missing_ok=True)
        return status


def start(
    command: Sequence[str], mark: str, note: Path, output: IO[bytes] | int, descriptors: Sequence[int] = ()
) -> Lasting:
    """Start a process; ``mark`` tells it from others that have been or will be at its place, in the file ``note``.

    ``descriptors`` are open files that it is given, by the same numbers. Raises OSError.
    """
    note.parent.mkdir(parents=True, exist_ok=True)
    child = subprocess.Popen(
        ["sh", "-c", _BEGIN, "sh", mark, str(note), str(os.getpid()), *command],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        pass_fds=descriptors,
    )
    return Lasting(child.pid, note, child)


def note(pid: int, mark: str, place: Path) -> None:
    """Write down a process that somebody else has started, and that leads its session, to be found. Raises OSError."""
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(f"{mark} {Path(f'/proc/{pid}/stat').read_text()}")


def find(note: Path) -> tuple[str, Lasting] | None:
    """Find a process that was started before, by whom ever, with its mark; None when it does not run any more."""
    try:
        mark, _, stat = note.read_text().partition(" ")
        found = Lasting(int(stat.split(maxsplit=1)[0]), note, None)
    except (OSError, ValueError, IndexError):
        return None
    if _is_still(found.pid, stat):
        return mark, found
    os.close(found.descriptor)
    return None


def _is_still(pid: int, stat: str) -> bool:
    """Tell whether a process is the one of this ``stat``: its number may be another's by now, which began later."""
    try:
        now = _behind_name(Path(f"/proc/{pid}/stat").read_text())
        return now[_START] == _behind_name(stat)[_START] and now[_STATE] not in _DEAD
    except (OSError, IndexError):
        return False


def _behind_name(stat: str) -> list[str]:
    return stat.rpartition(")")[2].split()
