"""Where a tool is, and how a program of one that is beside the system is run: with the libraries that came with it."""

from __future__ import annotations

import contextlib
import functools
import os
import subprocess
from pathlib import Path
from typing import NamedTuple

from fakevm.errors import Prerequisite
from fakevm.release import search

from .catalogue import Tool, of

_SYSTEM = Path("/")
# How long (seconds) a program may take to say whether it works here: somebody waits for it (rpc.contract.LOOK).
_PATIENCE = 10.0


class Found(NamedTuple):
    """A tool that is there; ``root`` is the folder that its packages are unpacked in, or the system's own."""

    tool: Tool
    root: Path

    @property
    def is_systems(self) -> bool:
        """Whether it is the machine's own."""
        return self.root == _SYSTEM

    def has(self, program: str) -> bool:
        """Tell whether it has a program: not every version has all."""
        return any(path.name == program and path.exists() for path in self._paths())

    def path(self, program: str) -> Path:
        """Name the file of a program: the first that is there, of the places where it may be."""
        named = [path for path in self._paths() if path.name == program]
        return next((path for path in named if path.exists()), named[0])

    def command(self, program: str) -> list[str]:
        """Build the beginning of the command line that runs a program."""
        path = str(self.path(program))
        if self.is_systems:
            return [path]
        libraries = ":".join(map(str, self._libraries()))
        if loader := next(self.root.glob("lib*/ld-linux*"), None) or next(self.root.glob("usr/lib*/ld-linux*"), None):
            # Libraries of another Debian need its own C library, and that its own loader.
            return [str(loader), "--library-path", libraries, path]
        return ["env", f"LD_LIBRARY_PATH={libraries}", path]

    def _paths(self) -> list[Path]:
        return [self.root / path.lstrip("/") for path in self.tool.programs]

    def _libraries(self) -> list[Path]:
        found = [*self.root.glob("usr/lib/*-linux-gnu*"), *self.root.glob("lib/*-linux-gnu*")]
        # Some packages have libraries of their own in a folder below, which the program would find at its own place.
        own = [folder / self.tool.name for folder in found if (folder / self.tool.name).is_dir()]
        return [*own, *found, self.root / "usr/lib"]


def home(name: str, cache: Path) -> Path:
    """Name the folder of a tool in a cache."""
    return cache / "tools" / name


def folders() -> list[Path]:
    """Name the folders that tools are beside the system in; our own is there from now on, if that can be."""
    places = [cache / "tools" for cache in search()]
    if not places[0].is_dir():
        with contextlib.suppress(OSError):
            places[0].mkdir(mode=0o755, parents=True)
    return [place for place in places if place.is_dir()]


def look(name: str) -> Found | None:
    """Find a tool, the machine's own first; None when there is none. Raises NotFound: nobody knows such a tool."""
    tool = of(name)
    own = (home(name, cache) for cache in search())
    beside = [place / "root" for place in own if (place / "complete").is_file()]
    places = beside if tool.only_beside else [_SYSTEM, *beside]
    return next((found for found in (Found(tool, root) for root in places) if _is_there(found)), None)


def find(name: str) -> Found:
    """Find a tool. Raises NotFound as ``look``, Prerequisite: it is not there."""
    if found := look(name):
        return found
    tool = of(name)
    raise Prerequisite(f"{name} is not installed ({tool.about})", hint=tool.how_to_get)


def _is_there(found: Found) -> bool:
    program = found.path(Path(found.tool.programs[0]).name)
    if not os.access(program, os.X_OK):
        return False
    return not (found.is_systems and found.tool.trial) or _works(str(program), *found.tool.trial)


@functools.cache
def _works(*trial: str) -> bool:
    try:
        done = subprocess.run(trial, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
