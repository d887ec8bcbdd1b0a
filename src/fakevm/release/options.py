"""The options that the programs of a release know, as its own libraries list them.

They are asked in the release's environment (``in_neutron/fakevm_options``), once: the list is kept beside that.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from importlib.metadata import distributions
from pathlib import Path
from typing import Any, NamedTuple

from fakevm import errors
from fakevm.model.verdict import verdict

from . import tree
from .cache import find, home, search
from .catalogue import DERIVED, resolve
from .derived import entry_points, made_from

_GROUP = "oslo.config.opts"
_MODULES = Path(__file__).parent.parent / "in_neutron"
# Seconds: it imports most of Neutron.
_PATIENCE = 300.0
_STAMP = 12


class Listing(NamedTuple):
    """What they answer: section → its options. ``foreign`` are the namespaces that are not the release's own."""

    sections: dict[str, list[dict[str, Any]]]
    foreign: frozenset[str] = frozenset()


def listed(name: str, python_path: Sequence[Path] = ()) -> Listing | None:
    """List the options of a release; None when it is not installed.

    ``python_path`` are folders with more modules: options that these name are listed, too, and not kept.
    Raises NotFound: no such release is shipped; CommandFailed: they do not answer.
    """
    venv = find(name)
    if venv is None:
        return None
    version = resolve(name)
    foreign = _own_namespaces(venv) if DERIVED in version else frozenset()
    if more := _namespaces(python_path):
        return Listing(_ask(venv, python_path), foreign | more)
    derived_from = made_from(version)
    changing = f"-{tree.written(derived_from.trees)[:_STAMP]}" if derived_from and derived_from.trees else ""
    made_by = hashlib.sha256((_MODULES / "fakevm_options/__main__.py").read_bytes()).hexdigest()
    kept = f"options-{(venv.parent / 'complete').read_text()[:_STAMP]}-{made_by[:_STAMP]}{changing}.json"
    for place in search():
        with contextlib.suppress(OSError, ValueError):
            return Listing(json.loads((home(version, place) / kept).read_text()), foreign)
    found = _ask(venv)
    if changing:
        for old in home(version).glob("options-*.json"):
            old.unlink(missing_ok=True)
    _keep(home(version) / kept, found)
    return Listing(found, foreign)


def _namespaces(folders: Iterable[Path]) -> frozenset[str]:
    found = (point for dist in distributions(path=list(map(str, folders))) for point in dist.entry_points)
    return frozenset(point.name for point in found if point.group == _GROUP)


def _own_namespaces(venv: Path) -> frozenset[str]:
    """Name the namespaces that a derived environment adds to those of its release; a tree of Neutron's adds none."""
    return frozenset(point.name for point in entry_points(venv, _GROUP) if not point.module.startswith("neutron."))


def _ask(venv: Path, python_path: Sequence[Path] = ()) -> dict[str, list[dict[str, Any]]]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment |= {"PYTHONPATH": ":".join(map(str, (_MODULES, *python_path))), "PYTHONWARNINGS": "ignore"}
    doing = f"listing the options of Neutron {venv.parent.name}"
    try:
        done = subprocess.run(
            [venv / "bin/python", "-m", "fakevm_options"], stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=_PATIENCE, env=environment, cwd="/", check=False,
        )  # fmt: skip
        found: dict[str, list[dict[str, Any]]] = json.loads(done.stdout)
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise errors.CommandFailed(f"{doing} failed: {exc}") from exc
    except ValueError as exc:
        said = verdict(done.stderr) or done.stderr.strip()[-500:]
        raise errors.CommandFailed(f"{doing} failed: {said}") from exc
    return found


def _keep(path: Path, found: Any) -> None:
    """Keep it for others; a cache that cannot be written to is no reason to fail."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
            scratch = Path(file.name)
            try:
                json.dump(found, file)
                file.flush()
                scratch.chmod(0o644)
                scratch.rename(path)
            except BaseException:
                scratch.unlink()
                raise
