"""What the threads of a program are at just now: py-spy reads it in the program's memory, which does not notice."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path

from fakevm.errors import CommandFailed, Conflict, Prerequisite, TimedOut
from fakevm.linux import supervision
from fakevm.model.lab import LabRecord

from . import sandbox
from .programs import Program

_SPY = Path(sys.prefix) / "bin/py-spy"
# Seconds: it reads the symbols of the interpreter, and the program may be stopped for a moment.
_PATIENCE = 60.0
# The first of a program's groups is led by what its supervisor started: the program, or what waits for it where it was
# forked (fakevm_warm/ask.py). Then it leads the second one itself.
_NAME = """\
pid=$1
case $(tr '\\0' ' ' </proc/"$1"/cmdline) in *fakevm_warm/wait.sh*) pid=$2 ;; esac
name() {
    echo "$1"
    for child in $(cat /proc/"$1"/task/*/children 2>/dev/null); do
        case $(readlink /proc/"$child"/exe) in */python*) name "$child" ;; esac
    done
}
name "$pid"
"""


def of(record: LabRecord, program: Program, *options: str) -> list[str]:
    """Show the stacks of all threads of a program and of its processes in Python, each as py-spy with these options.

    Raises Prerequisite: py-spy is not there; Conflict: the program does not run; CommandFailed: it is none of Python's.
    """
    if not _SPY.exists():
        raise Prerequisite("py-spy is not installed", hint=f"Install it: {sys.executable} -m pip install py-spy")
    folder = record.services()[program.host]
    if not supervision.status(folder, program.name)[program.name].running:
        raise Conflict(f"{program} does not run", hint=f"fakevm lab start {program}")
    groups = (folder / program.name / "group").read_text().split()[:2]
    # It looks at namespaces where it is asked from, and may do so there: whoever is root in them.
    enter = sandbox.enter_host(record, program.host) if program.host else sandbox.enter_lab(record)
    first, *others = _run(program, [*enter, "sh", "-c", _NAME, "sh", groups[0], groups[-1]]).split()
    spy = [*enter, str(_SPY), "dump", *options, "--pid"]
    found = [_run(program, [*spy, first])]
    for pid in others:
        # It may have ended meanwhile.
        with contextlib.suppress(CommandFailed):
            found.append(_run(program, [*spy, pid]))
    return found


def _run(program: Program, command: list[str]) -> str:
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_PATIENCE, check=False
        )
    except subprocess.TimeoutExpired as exc:
        raise TimedOut(f"the stacks of {program} were not read within {_PATIENCE:.0f} s") from exc
    if done.returncode:
        why = done.stderr.strip().partition("\n")[0].removeprefix("Error: ")
        raise CommandFailed(f"the stacks of {program} cannot be read: {why}", hint="Only those of Python's can.")
    return done.stdout
