"""Neutron releases: each in a virtual environment of its own, made from a constraints file that FakeVM ships.

FakeVM and Neutron never share an environment, and neither do two Neutron releases: each needs the libraries
of its time. Only the standard library is imported here, so that set-up can use this package before anything
is installed.
"""

from __future__ import annotations

from .cache import Installed, derived_from, find, home, kept_with, look, own_cache, path, search
from .catalogue import DEFAULT, base, beside, called, constraints, find_python, pythons, resolve, series, shipped
from .derivation import Derivation, derive, require
from .derived import entry_points, made_from, migrations
from .derived import install as install_derived
from .install import install, remove, unused
from .tree import modules, nearest
from .users import coming

__all__ = [
    "DEFAULT",
    "Derivation",
    "Installed",
    "base",
    "beside",
    "called",
    "coming",
    "constraints",
    "derive",
    "derived_from",
    "entry_points",
    "find",
    "find_python",
    "home",
    "install",
    "install_derived",
    "kept_with",
    "look",
    "made_from",
    "migrations",
    "modules",
    "nearest",
    "own_cache",
    "path",
    "pythons",
    "remove",
    "require",
    "resolve",
    "search",
    "series",
    "shipped",
    "unused",
]
