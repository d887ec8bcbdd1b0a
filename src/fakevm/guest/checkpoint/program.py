"""Where CRIU is, and what it needs to be started from among a guest's files."""

from __future__ import annotations

from pathlib import Path

from fakevm import errors, tool

from .criu import Program

# Where the system's loader finds libraries, beside what it is told.
_LIBRARIES = ("lib/*-linux-gnu", "usr/lib/*-linux-gnu", "lib64", "usr/lib64", "lib", "usr/lib")
_LOADERS = ("lib64/ld-linux*.so*", "lib/ld-linux*.so*", "usr/lib64/ld-linux*.so*", "usr/lib/*/ld-linux*.so*")


def find() -> Program:
    """Find CRIU: the system's own if it says that it can do here what is needed, else the one beside it.

    Raises Prerequisite: there is none.
    """
    found = tool.find("criu")
    loader = next((path for form in _LOADERS for path in found.root.glob(form)), None)
    if loader is None:
        raise errors.Prerequisite(f"{found.path('criu')} cannot be started: there is no loader for it in {found.root}")
    folders = (path.resolve() for form in _LIBRARIES for path in found.root.glob(form))
    libraries = tuple(folder for folder in dict.fromkeys(folders) if any(folder.glob("*.so*")))
    return Program(loader.resolve(), libraries, Path(found.path("criu")))
