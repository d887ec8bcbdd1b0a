"""The form of lab files: FakeVM's own keys, and those that the installed backends bring along."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from fakevm.backend import base as backends
from fakevm.model.labfile import LabFile
from fakevm.model.labfile.options import Options, with_options
from fakevm.names import DEFAULT_BACKEND


def of(tree: Mapping[str, Any]) -> type[LabFile]:
    """Give the form of one file: the keys of the backend that it chooses, and of others that it speaks to.

    Others are not loaded: the more are installed, the longer that takes, and one may be broken.
    """
    installed = backends.installed_names()
    return _with(*(name for name in installed if name in tree or name == tree.get("backend", DEFAULT_BACKEND)))


def whole() -> type[LabFile]:
    """Give the form with the keys of all installed backends."""
    return _with(*backends.installed_names())


def programs() -> frozenset[str]:
    """Name the programs that a lab may have beside those of its hosts: its parts', and those of installed backends."""
    # Only checks speak of programs: what starts them need not be imported for other files.
    from .parts import PARTS

    own = (name for part in PARTS for name in part.program_names)
    return frozenset(own) | {name for backend in backends.installed().values() for name in backend.programs}


def _with(*names: str) -> type[LabFile]:
    found = {name: backends.load(name).options for name in names}
    return _made(tuple((name, options) for name, options in sorted(found.items()) if options))


@functools.cache
def _made(options: tuple[tuple[str, type[Options]], ...]) -> type[LabFile]:
    # Files of one form are of one class, so that they can be compared.
    return with_options(dict(options))
