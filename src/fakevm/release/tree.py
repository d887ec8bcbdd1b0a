"""Source trees that are installed as they are: what can be known of one before anything is run."""

from __future__ import annotations

import configparser
import contextlib
import hashlib
import os
import re
import subprocess
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

from fakevm import errors

from .catalogue import series, shipped

_SETUP = ("pyproject.toml", "setup.cfg", "setup.py")
# What decides which libraries and entry points an installed tree has, beside these.
_ASKED_BY_PBR = ("requirements.txt", "PKG-INFO")
_NEUTRON = "neutron"
# Neutron names the series up to its own there, for its migrations.
_MILESTONES = "neutron/db/migration/__init__.py"
_SERIES = re.compile(r"^RELEASE_\w+ = ['\"](\d{4}\.\d)['\"]", re.MULTILINE)
_FIELD = "^{}: *(.+)$"
_GIT_PATIENCE = 20.0


def require(path: Path) -> None:
    """Raise InvalidInput when a folder is not one that pip could install."""
    if not path.exists():
        raise errors.InvalidInput(f"there is no {path}", hint="Paths are seen from the folder of the lab file.")
    if path.is_dir() and not any((path / name).exists() for name in _SETUP):
        raise errors.InvalidInput(
            f"{path} is no source tree that can be installed: it has none of {', '.join(_SETUP)}",
            hint="Name the folder of the tree that has them.",
        )


def contents(path: Path) -> str:
    """Give a sum of what decides how a tree is installed; of a file (a wheel, an archive), of all of it.

    Raises InvalidInput: it cannot be read.
    """
    return sum_of([path] if path.is_file() else [path / name for name in (*_SETUP, *_ASKED_BY_PBR)])


def sum_of(files: Iterable[Path]) -> str:
    """Give a sum of what is in files, as far as they are there. Raises InvalidInput: one cannot be read."""
    found = hashlib.sha256()
    try:
        for file in files:
            with contextlib.suppress(FileNotFoundError):
                text = file.read_bytes()
                found.update(f"{file.name} {len(text)}\n".encode() + text)
    except OSError as exc:
        raise errors.InvalidInput(f"{exc.filename} cannot be read: {exc.strerror}") from exc
    return found.hexdigest()


def modules(path: Path) -> Iterator[Path]:
    """List the modules that Python finds in a tree, as files."""
    for root in roots(path):
        for folder, inside, names in os.walk(root):
            inside[:] = [name for name in inside if name.isidentifier() and name != "__pycache__"]
            yield from (Path(folder, name) for name in names if name.endswith(".py"))


def written(paths: Iterable[Path]) -> str:
    """Give a sum of when the modules of trees were written: another one when one of them has changed."""
    found = hashlib.sha256()
    for path in paths:
        for file in sorted(modules(path)):
            with contextlib.suppress(FileNotFoundError):
                seen = file.stat()
                found.update(f"{file} {seen.st_mtime_ns} {seen.st_size}\n".encode())
    return found.hexdigest()


def project(path: Path) -> str:
    """Name the project that a tree, or an archive, is of, as requirements do; empty when it does not say so itself.

    Raises InvalidInput: a file of it is broken.
    """
    if path.is_file():
        return normal(path.name.partition("-")[0])
    try:
        return normal(next(filter(None, _names(path)), ""))
    except (tomllib.TOMLDecodeError, configparser.Error, OSError, UnicodeDecodeError) as exc:
        raise errors.InvalidInput(f"the set-up files of {path} cannot be read: {str(exc).splitlines()[0]}") from exc


def _names(path: Path) -> Iterator[str]:
    if (toml := path / "pyproject.toml").exists():
        yield str(tomllib.loads(toml.read_text()).get("project", {}).get("name", ""))
    if (cfg := path / "setup.cfg").exists():
        parser = configparser.ConfigParser(interpolation=None, strict=False)
        parser.read_string(cfg.read_text())
        yield parser.get("metadata", "name", fallback="")
    yield _said(path, "Name")
    if (script := path / "setup.py").exists():
        found = re.search(r"""\bname=['"]([\w.-]+)['"]""", script.read_text())
        yield found[1] if found else ""


def normal(name: str) -> str:
    """Write a project's name as all its spellings are compared (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


def _said(path: Path, field: str) -> str:
    """Read a field of what an sdist says of itself."""
    with contextlib.suppress(OSError):
        if found := re.search(_FIELD.format(field), (path / "PKG-INFO").read_text(), re.MULTILINE):
            return found[1].strip()
    return ""


def roots(path: Path) -> list[Path]:
    """List the folders in which Python finds the modules of a tree."""
    inner = path / "src"
    return [inner] if inner.is_dir() and any(inner.glob("*/__init__.py")) else [path]


def version(path: Path) -> str:
    """Give the version that a tree's own tools will find: an sdist's, or by git's tags; empty when it has none."""
    if said := _said(path, "Version"):
        return said
    command = ["git", "-c", f"safe.directory={path}", "-C", str(path), "describe", "--tags", "--match", "[0-9]*"]
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_GIT_PATIENCE, check=False
        )
        if not done.returncode and (path / ".git").exists():
            return done.stdout.strip()
    return ""


def nearest(path: Path) -> tuple[str, str]:
    """Find the release whose libraries are the nearest to those that a tree of Neutron wants, and say why.

    Raises InvalidInput: it is no Neutron, or older than all that FakeVM has.
    """
    require(path)
    if (found := project(path)) != _NEUTRON or path.is_file():
        raise errors.InvalidInput(
            f"{path} is {found or 'something'}, not a source tree of Neutron",
            hint="Other trees are packages: packages: [PATH].",
        )
    own = _series(path)
    if not own:
        return shipped()[-1], "its series is not known"
    known = {series(one): one for one in shipped()}
    if own in known:
        return known[own], f"it is of {own}"
    if _ordinal(own) < _ordinal(min(known, key=_ordinal)):
        raise errors.InvalidInput(
            f"{path} is Neutron of {own}, for which FakeVM has no libraries: its releases are of {', '.join(known)}",
            hint="A tree of one of these, or of a newer series, can be run.",
        )
    older = [one for one in known if _ordinal(one) < _ordinal(own)]
    return known[max(older, key=_ordinal)], f"it is of {own}, and no release is nearer"


def _series(path: Path) -> str:
    """Find the series that a tree of Neutron belongs to; empty when nothing in it tells.

    Between a release and the first tag of the next series git's tags are still of the old one.
    """
    with contextlib.suppress(OSError, ValueError):
        found: list[str] = _SERIES.findall((path / _MILESTONES).read_text())
        return max(found, key=_ordinal)
    with contextlib.suppress(ValueError):
        return series(version(path))
    return ""


def _ordinal(name: str) -> tuple[int, ...]:
    return tuple(int(part) for part in name.split("."))
