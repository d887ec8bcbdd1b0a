"""The Neutron releases that this FakeVM knows how to install."""

from __future__ import annotations

import hashlib
from pathlib import Path

from fakevm import errors

_DIRECTORY = Path(__file__).with_name("constraints")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def shipped() -> list[str]:
    """List the versions that have a constraints file, oldest first."""
    return sorted((file.stem for file in _DIRECTORY.glob("*.txt")), key=_numbers)


DEFAULT = shipped()[-1]


def constraints(version: str) -> Path:
    """Find the file that pins every package of a release. Raises NotFound."""
    if version not in shipped():
        raise errors.NotFound(f"FakeVM does not ship Neutron {version}", hint=f"Take one of: {', '.join(shipped())}.")
    return _DIRECTORY / f"{version}.txt"


def fingerprint(version: str) -> str:
    """Tell what a complete environment of a release was made from. Raises NotFound."""
    return hashlib.sha256(constraints(version).read_bytes()).hexdigest()
