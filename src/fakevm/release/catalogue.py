"""The Neutron releases that this FakeVM knows how to install."""

from __future__ import annotations

import hashlib
from pathlib import Path

from fakevm import errors

_DIRECTORY = Path(__file__).with_name("constraints")
# Neutron's major version counts OpenStack's series, two a year: 24 was 2024.1 (https://releases.openstack.org).
_MAJOR, _YEAR = 24, 2024


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def shipped() -> list[str]:
    """List the versions that have a constraints file, oldest first."""
    return sorted((file.stem for file in _DIRECTORY.glob("*.txt")), key=_numbers)


DEFAULT = shipped()[-1]


def series(version: str) -> str:
    """Name the series of OpenStack that a version of Neutron belongs to, such as 2026.1."""
    years, half = divmod(_numbers(version)[0] - _MAJOR, 2)
    return f"{_YEAR + years}.{half + 1}"


def resolve(name: str) -> str:
    """Find the version that a version or a series (then its newest) means. Raises NotFound."""
    versions = [version for version in shipped() if name in (version, series(version))]
    if versions:
        return versions[-1]
    known = ", ".join(f"{version} ({series(version)})" for version in shipped())
    raise errors.NotFound(f"FakeVM does not ship Neutron {name}", hint=f"Take a version or a series of: {known}.")


def constraints(name: str) -> Path:
    """Find the file that pins every package of a version, or of a series' newest. Raises NotFound."""
    return _DIRECTORY / f"{resolve(name)}.txt"


def fingerprint(version: str) -> str:
    """Tell what a complete environment of a version was made from. Raises NotFound."""
    return hashlib.sha256(constraints(version).read_bytes()).hexdigest()
