"""What a run of tests leaves when it is killed: a process that outlives the run ends its labs, removes its folders.

Fixtures do that where they are let finish. Nothing of a run is when it is killed; and pytest-xdist gives its processes
a few seconds after Ctrl-C. This file is that process's program, too, which needs nothing but Python.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path

LABS = "labs"
"""What the folder of labs is called in one that has some."""
# Seconds: to end the labs of a folder; for the process, when all was removed before or there is something to be done.
_ENDING, _PATIENCE = 900, 60


def expect(folder: Path) -> None:
    """Have a folder removed when this process has ended, however, if it is still there; its labs are ended before."""
    _tell(f"+{folder}")


def leave(folder: Path) -> None:
    """Leave a folder alone."""
    _tell(f"-{folder}")


def _tell(line: str) -> None:
    pipe = _process(os.getpid()).stdin
    assert pipe
    # Tests do not fail as it was killed.
    with contextlib.suppress(OSError):
        pipe.write(f"{line}\n")
        pipe.flush()


@cache
def _process(_pid: int) -> subprocess.Popen[str]:
    """Begin it, once in a process; it sees the end of that as the end of its input."""
    fakevm = Path(sys.executable).parent / "fakevm"
    made = subprocess.Popen(
        [sys.executable, "-I", "-S", __file__, str(fakevm)],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True, cwd="/",
        start_new_session=True,
    )  # fmt: skip
    atexit.register(_close, made, os.getpid())
    return made


def _close(process: subprocess.Popen[str], owner: int) -> None:
    # Not in forks of this process.
    if os.getpid() == owner:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=_PATIENCE)


def _left(lines: Iterable[str]) -> list[Path]:
    """Read what is told until nobody is there to tell; gives the folders that are still there."""
    folders: dict[str, None] = {}
    for line in lines:
        if line.startswith("+"):
            folders[line[1:].rstrip("\n")] = None
        else:
            folders.pop(line[1:].rstrip("\n"), None)
    return [folder for folder in map(Path, folders) if folder.exists()]


def _remove(folder: Path, fakevm: str) -> None:
    """End the labs in a folder, then remove it; where one cannot be ended its folder says how."""
    if (labs := folder / LABS).is_dir():
        environment = {**os.environ, "FAKEVM_LABS": str(labs)}
        try:
            subprocess.run([fakevm, "lab", "down", "--all"], env=environment, timeout=_ENDING, check=True)
        except (OSError, subprocess.SubprocessError):
            return
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    for _folder in _left(sys.stdin):
        _remove(_folder, sys.argv[1])
