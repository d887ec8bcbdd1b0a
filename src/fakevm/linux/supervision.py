"""Programs under s6: one folder each, one small supervisor each (https://skarnet.org/software/s6/).

The supervision tree is the sandbox's PID 1 (``s6-svscan``), so it also reaps what loses its parent. It is steered
through named pipes in the programs' folders, which work from outside the sandbox's namespaces too.
"""

from __future__ import annotations

import errno
import os
import shlex
import shutil
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from fakevm.errors import CommandFailed
from fakevm.waiting import until

if TYPE_CHECKING:
    import subprocess

    from fakevm.model.program import Program

# Listening sockets that the sandbox's creator handed in; see fakevm.lab.sandbox.
INHERITED = (3, 4, 5, 6, 7)
TALLY_ENTRY = 14
# Seconds in which a supervisor has written down how its program ended.
_WRITING = 10.0
# s6 has it in milliseconds.
_GRACE = "timeout-kill"
# What the file that keeps a program down says when the program was killed; s6 looks whether it is there, no more.
_KILLED = "killed"
# Neutron's workers and helpers outlive a parent that is killed by up to a quarter of a minute, beside those of the next
# one. What is to live on (dnsmasq, keepalived, a guest's DHCP client) is no longer in its group. The file is there at
# a start when the supervisor was killed: then nobody ran ``finish``. A program that is forked elsewhere (lab/warm.py)
# leads a group of its own, which is written below that of its stub.
END_GROUP = '[ ! -e group ] || while read -r one; do kill -s KILL -- "-$one" 2>/dev/null; done <group'
FINISH = f"""\
#!/bin/sh
{END_GROUP}
rm -f group
"""


def render(program: Program, log: str) -> str:
    """Write the ``run`` script of a program whose output is appended to the file ``log``.

    Who supervises it takes it along when he is killed, from the script's first line on: the next supervisor starts it
    again, and two of it would run for ever.
    """
    closed = " ".join(f"{fd}<&-" for fd in INHERITED if fd not in program.descriptors)
    lines = [
        "#!/usr/bin/env -S setpriv --pdeathsig KILL sh",
        "# The supervisor may have died before that was said: then we are the child of the namespace's first process.",
        '[ "$PPID" -ne 1 ] || exit 1',
        END_GROUP,
        "echo $$ >group",
        f"exec >>{shlex.quote(log)} 2>&1" + (f" {closed}" if closed else ""),
        *(f"export {name}={shlex.quote(value)}" for name, value in program.environment.items()),
        *program.before,
        f"exec {shlex.join(program.command)}",
    ]
    return "\n".join(lines) + "\n"


def write(directory: Path, program: Program, log: str) -> None:
    """Make the folder of a program under the scan directory, before the sandbox starts."""
    folder = directory / program.name
    folder.mkdir(parents=True, exist_ok=True)
    for script, text in (("run", render(program, log)), ("finish", FINISH)):
        (folder / script).write_text(text)
        (folder / script).chmod(0o755)
    (folder / _GRACE).write_text(f"{round(1000 * program.grace)}\n")
    if program.held:
        (folder / "down").touch()


def start(directory: Path, *names: str) -> None:
    """Start programs that were held, and let them come back by themselves from now on."""
    for name in names:
        (directory / name / "down").unlink(missing_ok=True)
        _tell("s6-svc", "-u", directory / name)


def stop(directory: Path, *names: str) -> None:
    """Stop programs and keep them stopped; returns at once."""
    for name in names:
        (directory / name / "down").write_text("")
        _tell("s6-svc", "-d", directory / name)


def release(directory: Path, name: str) -> None:
    """Let a program end when it will, and then not come back."""
    (directory / name / "down").write_text("")
    _tell("s6-svc", "-O", directory / name)


def kill(directory: Path, name: str) -> None:
    """Send SIGKILL to a program, and do not let it come back; returns at once."""
    release(directory, name)
    (directory / name / "down").write_text(_KILLED)
    _tell("s6-svc", "-k", directory / name)


def is_held(directory: Path, name: str) -> bool:
    """Tell whether a program that does not run stays so until it is started."""
    return (directory / name / "down").exists()


def is_supervised(directory: Path, name: str) -> bool:
    """Tell whether a program has a supervisor that can be told to start it: as s6-svok(8) does.

    It makes its pipe before it listens there.
    """
    try:
        os.close(os.open(directory / name / "supervise/control", os.O_WRONLY | os.O_NONBLOCK))
    except OSError:
        return False
    return True


def was_stopped(directory: Path, name: str) -> bool:
    """Tell whether a program is down because it was stopped, and not killed."""
    try:
        return (directory / name / "down").read_text() != _KILLED
    except OSError:
        return False


def grace(directory: Path, name: str) -> float:
    """Tell how many seconds after SIGTERM a program that still runs is killed."""
    return int((directory / name / _GRACE).read_text()) / 1000


def rescan(directory: Path) -> None:
    """Supervise the programs whose folders have come to a scan directory, and no more those whose folders are gone."""
    _tell("s6-svscanctl", "-an", directory)


def remove(directory: Path, *names: str) -> None:
    """End programs, and forget them; those that are not there are no error. Raises CommandFailed, TimedOut, OSError."""
    there = [directory / name for name in names if (directory / name).exists()]
    for folder in there:
        stop(directory, folder.name)
        until(partial(_left, folder), f"the folder of {folder.name} was not removed", _WRITING)
    if there:
        rescan(directory)


def _left(folder: Path) -> str:
    """Remove a folder; says what is left. Its supervisor may just now write down, or clear up, how all ended."""
    try:
        shutil.rmtree(folder)
    except OSError as exc:
        if exc.errno not in (errno.ENOTEMPTY, errno.ENOENT):
            raise
    return f"{folder} is not empty" if folder.exists() else ""


def end_all(directory: Path) -> None:
    """End all programs of a scan directory in order, then its supervision; returns at once. Raises CommandFailed."""
    _tell("s6-svscanctl", "-t", directory)


def terminate(directory: Path, *names: str) -> None:
    """Send SIGTERM; the supervisor starts anew what ends, unless it was stopped."""
    for name in names:
        _tell("s6-svc", "-t", directory / name)


def crash(directory: Path, *names: str) -> None:
    """Send SIGKILL; the supervisor starts anew what ends, unless it was stopped."""
    for name in names:
        _tell("s6-svc", "-k", directory / name)


def _tell(program: str, command: str, folder: Path) -> None:
    done = _run([program, command, str(folder)])
    if done.returncode:
        raise CommandFailed(f"{program} {command} {folder} failed: {done.stderr.strip()}")


def _run(argv: list[str]) -> subprocess.CompletedProcess[str]:
    # Imported here alone: ``fakevm exec`` imports this module, and runs nothing.
    import subprocess

    return subprocess.run(argv, capture_output=True, text=True, check=False)


def deaths(directory: Path) -> dict[str, int]:
    """Count how often the programs of a scan directory died, by name; cheap enough to be asked all the time."""
    return {run.parent.name: _deaths(run.parent) for run in directory.glob("*/run")}


def _deaths(folder: Path) -> int:
    try:
        # s6-supervise keeps the last deaths (100 at most), 14 bytes each (s6, s6-svdt(1)).
        return (folder / "supervise/death_tally").stat().st_size // TALLY_ENTRY
    except OSError:
        return 0


class Status(NamedTuple):
    """Whether a program runs, its pid in the sandbox, for how long (seconds), and how often it died before."""

    running: bool
    pid: int
    seconds: int
    deaths: int


def status(directory: Path, *names: str) -> dict[str, Status]:
    """Look at programs of a scan directory, by name; at all of them when none is named."""
    folders = [directory / name for name in names] or sorted(run.parent for run in directory.glob("*/run"))
    # A hundred hosts have hundreds of programs: one shell starts a program faster than we do.
    done = _run(["sh", "-c", _ASK, "sh", *map(str, folders)])
    lines = done.stdout.splitlines()
    return {folder.name: _status(folder, line) for folder, line in zip(folders, lines, strict=True)}


# Nothing is said of a program whose supervisor does not run (yet).
_ASK = 'for folder; do s6-svstat -o up,pid,updownfor "$folder" 2>/dev/null || echo; done'


def _status(folder: Path, said: str) -> Status:
    if not said:
        return Status(running=False, pid=-1, seconds=0, deaths=0)
    up, pid, since = said.split()
    return Status(up == "true", int(pid), int(since), _deaths(folder))
