"""Where the releases are kept: outside the checkout, shared between checkouts and users.

``CACHE/releases/VERSION/`` holds ``venv/``, ``install.log``, ``lock`` and, once all is there, ``complete``.
A user without an environment of their own uses the one that root made.
"""

from __future__ import annotations

import os
from pathlib import Path

from fakevm import errors

from .catalogue import fingerprint

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
    wanted = fingerprint(version)
    try:
        stamp = (directory / "complete").read_text().strip()
    except OSError:
        return False
    return stamp == wanted and os.access(directory / "venv/bin/python", os.X_OK)


def find(version: str) -> Path | None:
    """Find the first complete virtual environment of a release. Raises NotFound when none such is shipped."""
    homes = (home(version, cache) for cache in search())
    return next((place / "venv" for place in homes if is_complete(place, version)), None)


def path(version: str) -> Path:
    """Find the virtual environment of a release.

    Raises NotFound when FakeVM does not ship the version, Prerequisite when it is not (wholly) installed.
    """
    if (venv := find(version)) is not None:
        return venv
    raise errors.Prerequisite(
        f"Neutron {version} is not installed in {' or '.join(str(cache) for cache in search())}",
        hint=f"Run: fakevm release install {version}",
    )
