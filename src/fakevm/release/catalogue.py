"""The Neutron releases that this FakeVM knows how to install."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from fakevm import errors

from . import environment
from .environment import OLDEST_PYTHON, Python

_DIRECTORY = Path(__file__).with_name("constraints")
# Neutron's major version counts OpenStack's series, two a year: 24 was 2024.1 (https://releases.openstack.org).
_MAJOR, _YEAR = 24, 2024
# The newest Python that a release's libraries can be had for, where it is not any: greenlet 3.0.3, msgpack 1.0.8 and
# yappi 1.6.0 are compiled against what the C API of Python 3.13 no longer has.
_NEWEST_PYTHON: dict[str, Python] = {"25.2.3": (3, 12)}
# In the name of a derived environment it parts the release from what else it is made from (as in versions, PEP 440).
DERIVED = "+"
# And this parts it from a program that goes with its series and has libraries of its own (Keystone): 29.0.0/keystone.
BESIDE = "/"
# A pin for some Pythons only (a "marker" of pip's); no other form of them is used here.
_MARKER = re.compile(r' ; python_version >= "(\d+)\.(\d+)"$')


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def shipped() -> list[str]:
    """List the versions that have a constraints file, oldest first."""
    return sorted((file.stem for file in _DIRECTORY.glob("*.txt")), key=_numbers)


DEFAULT = shipped()[-1]


def series(version: str) -> str:
    """Name the series of OpenStack that a version of Neutron belongs to, such as 2026.1."""
    years, half = divmod(int(version.partition(".")[0]) - _MAJOR, 2)
    return f"{_YEAR + years}.{half + 1}"


def base(name: str) -> str:
    """Give the release that an environment, by its name, is, is derived from (``derivation``), or goes with."""
    return name.partition(DERIVED)[0].partition(BESIDE)[0]


def beside(program: str, name: str) -> str:
    """Name the environment of a program that goes with a release, or with what is derived from it. Raises NotFound."""
    return resolve(f"{base(resolve(name))}{BESIDE}{program}")


def called(name: str) -> str:
    """Say what is in an environment."""
    program = name.partition(BESIDE)[2]
    return f"{program.capitalize()} for Neutron {base(name)}" if program else f"Neutron {name}"


def resolve(name: str) -> str:
    """Find the version that a version or a series (then its newest) means. Raises NotFound.

    The name of a derived environment means itself.
    """
    if DERIVED in name and base(name) in shipped():
        return name
    if BESIDE in name and _pinned_in(name).is_file():
        return name
    versions = [version for version in shipped() if name in (version, series(version))]
    if versions:
        return versions[-1]
    known = ", ".join(f"{version} ({series(version)})" for version in shipped())
    raise errors.NotFound(f"FakeVM does not ship Neutron {name}", hint=f"Take a version or a series of: {known}.")


def constraints(name: str) -> Path:
    """Find the file that pins every package of a version, or of a series' newest. Raises NotFound."""
    return _pinned_in(resolve(name).partition(DERIVED)[0])


def _pinned_in(name: str) -> Path:
    """Name the file of a version, VERSION.txt, or of a program that goes with one, PROGRAM/VERSION.txt."""
    version, _, program = name.partition(BESIDE)
    return _DIRECTORY / program / f"{version}.txt"


def pythons(version: str) -> str:
    """Name the Pythons that a version's libraries can be had for."""
    oldest, newest = OLDEST_PYTHON, _NEWEST_PYTHON.get(version)
    if newest is None:
        return f"Python {oldest[0]}.{oldest[1]} or newer"
    return "Python " + " or ".join(f"3.{minor}" for minor in range(oldest[1], newest[1] + 1))


def find_python(version: str) -> str:
    """Find an interpreter that a version's libraries can be had for. Raises Prerequisite."""
    version = base(version)
    newest = _NEWEST_PYTHON.get(version)
    python = next(environment.pythons(newest), None)
    if python is not None:
        return python
    others = ", ".join(named for named in shipped() if named not in _NEWEST_PYTHON)
    raise errors.Prerequisite(
        f"Neutron {version} runs with {pythons(version)}, and no such Python was found on this machine",
        hint=f"Take a release that runs with the Python of this machine ({others}), or put a Python "
        f"3.{newest[1]} into PATH (Debian 12 has 3.11)."
        if newest
        else environment.HOW_TO_GET_PYTHON,
    )


def pins(version: str, python: Python) -> list[str]:
    """List the lines of a version's constraints that hold for a Python, without their markers. Raises NotFound."""
    lines = constraints(version).read_text().splitlines()
    marked = ((line, _MARKER.search(line)) for line in lines)
    return [
        line.removesuffix(marker[0]) if marker else line
        for line, marker in marked
        if marker is None or python >= (int(marker[1]), int(marker[2]))
    ]


def fingerprint(version: str, python: Python) -> str:
    """Tell what a complete environment of a version was made from. Raises NotFound."""
    return hashlib.sha256("".join(f"{line}\n" for line in pins(version, python)).encode()).hexdigest()
