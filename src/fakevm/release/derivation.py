"""What an environment is made from: a release, and what comes on top of it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

from fakevm import errors

from . import tree
from .catalogue import DERIVED, constraints

# Another one when environments are made in another way.
_FORM = "1"
_SUM = 8


class Derivation(NamedTuple):
    """A release by its version, a source tree of Neutron's in its place (or none), more packages (or none).

    ``packages`` are requirements as pip has them, and absolute paths. ``name`` is that of the environment: the version,
    and a sum of the rest, as it was when this was made.
    """

    version: str
    name: str
    tree: str = ""
    packages: tuple[str, ...] = ()

    @property
    def is_plain(self) -> bool:
        """Whether it is a release, and nothing else."""
        return self.name == self.version

    @property
    def paths(self) -> tuple[Path, ...]:
        """What is installed from this machine's files."""
        return tuple(Path(one) for one in (self.tree, *self.packages) if one.startswith("/"))

    @property
    def trees(self) -> tuple[Path, ...]:
        """The source trees, whose modules are found where they are."""
        return tuple(path for path in self.paths if path.is_dir())

    @property
    def words(self) -> str:
        """Say what comes on top of the release."""
        return ", ".join(filter(None, (self.tree, *self.packages)))


def derive(version: str, neutron: str = "", packages: tuple[str, ...] = ()) -> Derivation:
    """Say what an environment is to be made from; ``neutron`` is the path of a tree.

    Raises NotFound: no such release is shipped; InvalidInput: a path is not what can be installed.
    """
    if not neutron and not packages:
        return Derivation(version, version)
    found = Derivation(version, "", neutron, packages)
    for path in found.paths:
        require(path, neutron)
    said = [_FORM, constraints(version).read_text(), neutron, *packages, *map(tree.contents, found.paths)]
    # In a list, so that no two of them can be taken for one.
    return found._replace(name=f"{version}{DERIVED}{hashlib.sha256(repr(said).encode()).hexdigest()[:_SUM]}")


def require(path: Path, neutron: str = "") -> None:
    """Raise InvalidInput when something cannot be installed from a path; ``neutron`` is the tree of Neutron's."""
    tree.require(path)
    if tree.project(path) == "neutron" and str(path) != neutron:
        raise errors.InvalidInput(
            f"{path} is Neutron itself, in the place of a release and not beside one", hint=f"release: {{path: {path}}}"
        )
