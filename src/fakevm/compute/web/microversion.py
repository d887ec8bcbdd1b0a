"""Microversions: which one a request is of (nova.api.openstack.wsgi.Request.set_api_version_request)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from .faults import Fault

LEGACY, HEADER = "X-OpenStack-Nova-API-Version", "OpenStack-API-Version"
_SERVICE = "compute"


class Microversion(NamedTuple):
    """A version such as 2.37; they are ordered."""

    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


FIRST, NEWEST = Microversion(2, 1), Microversion(2, 96)


def asked(header: Callable[[str], str]) -> Microversion:
    """Find which one is asked for, the first when none is; ``header`` gives a header, "" when it is not there.

    Raises Fault: it is none, or one that there is not.
    """
    word = _of_services(header(HEADER)) or header(LEGACY)
    if not word:
        return FIRST
    if word == "latest":
        return NEWEST
    found = re.fullmatch(r"([1-9][0-9]{0,8})\.([1-9][0-9]{0,8}|0)", word)
    if not found:
        raise Fault(400, f"API Version String {word} is of invalid format. Must be of format MajorNum.MinorNum.")
    version = Microversion(int(found[1]), int(found[2]))
    if not FIRST <= version <= NEWEST:
        raise Fault(406, f"Version {word} is not supported by the API. Minimum is {FIRST} and maximum is {NEWEST}.")
    return version


def answered(version: Microversion | None) -> dict[str, str]:
    """Give the headers that say of which version an answer is."""
    told = {"Vary": f"{HEADER}, {LEGACY}"}
    return told if version is None else {**told, HEADER: f"{_SERVICE} {version}", LEGACY: str(version)}


def _of_services(header: str) -> str:
    """Find our service in a header that names several: ``compute 2.37, volume 3.0``."""
    for piece in header.split(","):
        service, _, word = piece.strip().partition(" ")
        if service == _SERVICE:
            return word.strip()
    return ""
