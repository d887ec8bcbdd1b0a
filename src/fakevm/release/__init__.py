"""Neutron releases: each in a virtual environment of its own, made from a constraints file that FakeVM ships.

FakeVM and Neutron never share an environment, and neither do two Neutron releases: each needs the libraries
of its time. Only the standard library is imported here, so that set-up can use this package before anything
is installed.
"""

from __future__ import annotations

from .cache import Installed, find, home, look, own_cache, path, search
from .catalogue import DEFAULT, constraints, find_python, pythons, resolve, series, shipped
from .install import install, remove

__all__ = [
    "DEFAULT",
    "Installed",
    "constraints",
    "find",
    "find_python",
    "home",
    "install",
    "look",
    "own_cache",
    "path",
    "pythons",
    "remove",
    "resolve",
    "search",
    "series",
    "shipped",
]
