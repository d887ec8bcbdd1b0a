"""Where the releases are kept: outside the checkout, shared between checkouts and users.

``CACHE/releases/VERSION/`` holds ``venv/``, ``install.log``, ``lock`` and, once all is there, ``complete``; so does
``CACHE/releases/VERSION+SUM/`` of an environment that is derived from that release (``derived``), and
``CACHE/releases/VERSION/PROGRAM/`` of a program that goes with it.
A user without an environment of their own uses the one that root made. A release may be called by its series.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path
from typing import NamedTuple

from fakevm import errors

from . import environment
from .catalogue import BESIDE, DERIVED, base, called, fingerprint, resolve

SYSTEM_CACHE = Path("/var/cache/fakevm")


def own_cache() -> Path:
    """Say where this user's FakeVM writes: $FAKEVM_CACHE, else root's or the user's own cache."""
    if named := os.environ.get("FAKEVM_CACHE"):
        return Path(named).absolute()
    if os.geteuid() == 0:
        return SYSTEM_CACHE
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".cache") / "fakevm"


def search() -> list[Path]:
    """List the caches to read from, best first."""
    return list(dict.fromkeys([own_cache(), SYSTEM_CACHE]))


def home(version: str, cache: Path | None = None) -> Path:
    """Name the folder of a release in a cache, by default this user's own."""
    return (cache or own_cache()) / "releases" / version


def is_complete(directory: Path, version: str) -> bool:
    """Tell whether a release's folder holds what its constraints say, readable by us. Raises NotFound."""
    python = environment.python_of(directory / "venv")
    if python is None:
        return False
    wanted = stamp(version, python)
    try:
        found = (directory / "complete").read_text().strip()
    except OSError:
        return False
    return found == wanted and os.access(directory / "venv/bin/python", os.X_OK)


def stamp(name: str, python: environment.Python) -> str:
    """Give what a complete environment says of itself: what it was made from. Raises NotFound.

    A derived one has its content in its name; it is complete as long as the release below it is, at the same place.
    """
    if DERIVED not in name:
        return fingerprint(name, python)
    below = base(name)
    own = fingerprint(below, python)
    return hashlib.sha256(f"{name} {own} {find(below)}".encode()).hexdigest()


def find(name: str) -> Path | None:
    """Find the first complete virtual environment of a release, or a derived one, by its name.

    Raises NotFound when no such release is shipped.
    """
    version = resolve(name)
    homes = (home(version, cache) for cache in search())
    return next((place / "venv" for place in homes if is_complete(place, version)), None)


def path(name: str) -> Path:
    """Find the virtual environment of a release.

    Raises NotFound when FakeVM does not ship it, Prerequisite when it is not (wholly) installed.
    """
    if (venv := find(name)) is not None:
        return venv
    version = resolve(name)
    raise errors.Prerequisite(
        f"{called(version)} is not installed in {' or '.join(str(cache) for cache in search())}",
        hint=f"Run: fakevm release install {version}" if version == base(version) else "It is made by `fakevm lab up`.",
    )


def derived_from(version: str) -> list[Path]:
    """List the folders of what is derived from a release, whole or not, in all caches."""
    places = (place / "releases" for place in search())
    return sorted(venv.parent for place in places for venv in place.glob(f"{version}{DERIVED}*/venv"))


def beside(directory: Path) -> list[Path]:
    """List the folders of the programs that are kept with a release, whole or not, by its folder."""
    return sorted(venv.parent for venv in directory.glob("*/venv"))


def kept_with(version: str) -> list[str]:
    """Name the programs that are kept with a release, whole or not, in all caches (``29.0.0/keystone``)."""
    found = (venv for cache in search() for venv in beside(home(version, cache)))
    return sorted({f"{version}{BESIDE}{directory.name}" for directory in found})


class Installed(NamedTuple):
    """What there is of a release: where (None: nothing), whether all of it, and how much (bytes)."""

    home: Path | None
    complete: bool
    size: int


def look(version: str) -> Installed:
    """Look for a release in the caches, also for what an installation that was killed has left. Raises NotFound."""
    if venv := find(version):
        return Installed(venv.parent, complete=True, size=_size(venv.parent))
    left = home(version)
    if (left / "venv").exists():
        return Installed(left, complete=False, size=_size(left))
    return Installed(None, complete=False, size=0)


def _size(directory: Path) -> int:
    """Add up the room that a folder takes (bytes). What vanishes meanwhile counts as nothing."""
    total = 0
    with contextlib.suppress(OSError), os.scandir(directory) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                total += _size(Path(entry.path))
            else:
                total += entry.stat(follow_symlinks=False).st_blocks * 512
    return total
