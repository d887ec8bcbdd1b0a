"""Environments derived from a release: they see all that it has, and have more packages, or another Neutron, before it.

The release itself is never written to. What is in one is in its name, so that none is ever changed: others come beside.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
from collections.abc import Iterator
from importlib.metadata import EntryPoint, distributions
from pathlib import Path

from fakevm import errors
from fakevm.progress import SILENT, Progress

from . import cache, environment, tree
from .catalogue import DERIVED, pins
from .derivation import Derivation
from .install import claimed

# Python reads these files in the order of their names: what pip adds for trees comes before the release.
_SEEN = "zz-fakevm.pth"
_CONTENT = "made-from.json"
_MIGRATIONS = "neutron.db.alembic_migrations"
# Where a tree of Neutron has the pipelines of the API; older ones have them in the second.
_PASTE = ("etc/neutron/api-paste.ini", "etc/api-paste.ini")
_SUM = 12
_MOST_LINES = 12
_NO_NETWORK = re.compile(r"NewConnectionError|NameResolutionError|ConnectTimeout|ProxyError|Retrying \(Retry")
_TELLING = re.compile(r"\s*(ERROR:|error:|\w*(Error|Exception):)|.*has requirement|.*requires .*not installed")
_FULL = "No space left on device"
# Bytes; less is none.
_LEAST = 100_000


def install(wanted: Derivation, below: Path, progress: Progress = SILENT) -> Path:
    """Make a derived environment in this user's own cache, unless it is there; returns its virtual environment.

    :param below: the release's environment
    :raises Prerequisite: the cache cannot be written to, or there is no network
    :raises CommandFailed: a package does not install, or does not go with the release's libraries; nothing is kept
    :raises TimedOut: another installer is at it for too long
    """
    if (venv := cache.find(wanted.name)) is not None:
        return venv
    directory = cache.home(wanted.name)
    with claimed(directory, wanted.name, progress) as venv:
        if venv is not None:
            _fill(directory, wanted, below, venv, progress)
    return directory / "venv"


def _fill(directory: Path, wanted: Derivation, below: Path, venv: Path, progress: Progress) -> None:
    log = directory / "install.log"
    log.write_text("")
    # pip is the release's.
    python = environment.make(venv, log, str(below / "bin/python"), "--without-pip")
    _see(venv, [root for path in wanted.trees for root in tree.roots(path)], below)
    try:
        _pip(directory, wanted, python, progress)
    except errors.CommandFailed as exc:
        raise _failure(wanted, log) from exc
    _borrow(venv, below, Path(wanted.tree) if wanted.tree else None)
    content = {"version": wanted.version, "tree": wanted.tree, "packages": wanted.packages}
    for name, text in ((_CONTENT, json.dumps(content)), ("complete", cache.stamp(wanted.name, python))):
        (directory / name).write_text(f"{text}\n")
        (directory / name).chmod(0o644)


def _see(venv: Path, roots: list[Path], below: Path) -> None:
    """Let Python find the trees' modules, whichever way pip installs them, and then all that the release has."""
    release = next((below / "lib").glob("python3.*/site-packages"))
    # pip takes away what comes when this is read once more, where it builds: so nothing counts as known.
    lines = [*map(str, roots), f"import site; site.addsitedir({str(release)!r}, set())"]
    file = site_packages(venv) / _SEEN
    file.write_text("".join(f"{line}\n" for line in lines))
    file.chmod(0o644)


def site_packages(venv: Path) -> Path:
    """Name the folder of an environment's own packages."""
    return next((venv / "lib").glob("python3.*/site-packages"))


def _pip(directory: Path, wanted: Derivation, python: environment.Python, progress: Progress) -> None:
    log = directory / "install.log"
    constraints = directory / "constraints.txt"
    own = {tree.project(path) for path in wanted.paths}
    kept = [line for line in pins(wanted.version, python) if tree.normal(line.partition("==")[0]) not in own]
    constraints.write_text("".join(f"{line}\n" for line in kept))
    # What pip runs is not to write into the trees, as far as setuptools can be told so.
    (directory / "setuptools.cfg").write_text(f"[egg_info]\negg_base = {directory / 'scratch'}\n")
    (directory / "scratch").mkdir(exist_ok=True)
    try:
        for version, some in _rounds(wanted):
            words = [word for one in some for word in (("--editable", one) if Path(one).is_dir() else (one,))]
            environment.pip_install(
                directory / "venv", ["--constraint", constraints, *words], log,
                lambda: progress.seen(f"{environment.collected(log)} packages fetched"),
                attempts=1, more={**_for_builds(directory), **({"PBR_VERSION": version} if version else {})},
            )  # fmt: skip
    finally:
        shutil.rmtree(directory / "scratch", ignore_errors=True)


def _rounds(wanted: Derivation) -> Iterator[tuple[str, list[str]]]:
    """Give what is installed at once, and the version that pbr is told: a tree may have none, without git's tags."""
    unversioned = [str(path) for path in wanted.trees if not tree.version(path)]
    versions = {one: wanted.version if one == wanted.tree else "0.0.1" for one in unversioned}
    yield from ((versions[one], [one]) for one in unversioned)
    if rest := [one for one in (wanted.tree, *wanted.packages) if one and one not in versions]:
        yield "", rest


def _for_builds(directory: Path) -> dict[str, str]:
    return {
        "DIST_EXTRA_CONFIG": str(directory / "setuptools.cfg"),
        # pbr writes these two from git's history, into the tree.
        "SKIP_GENERATE_AUTHORS": "1",
        "SKIP_WRITE_GIT_CHANGELOG": "1",
        # A tree may be another user's, whose repositories git does not touch for root.
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
        "PIP_RETRIES": "2",
    }


def _failure(wanted: Derivation, log: Path) -> errors.FakevmError:
    """Say what pip said, without all that is around it."""
    text = log.read_text(errors="replace")
    said = text[text.rfind("\n$ ") + 1 :]
    what = f"{wanted.words} cannot be installed over Neutron {wanted.version}"
    # pip's words are on that disk, too: they may break off.
    if _FULL in said or not said.endswith("\n") or shutil.disk_usage(log.parent).free < _LEAST:
        return errors.Prerequisite(
            f"{what}: no space left in {log.parent.parent}",
            hint="Free some room, or set FAKEVM_CACHE to another folder.",
        )
    if _NO_NETWORK.search(said):
        return errors.Prerequisite(
            f"{what}: the index of packages does not answer",
            hint="Is there a network? What is installed already needs none. "
            "An index of your own: PIP_INDEX_URL, or pip's configuration.",
        )
    return errors.CommandFailed(f"{what}. pip says:\n{_shortened(said)}", hint=f"All of it: {log}")


def _shortened(said: str) -> str:
    """Give those of pip's lines that say what is wrong."""
    lines = said.splitlines()
    conflict = next((i for i, line in enumerate(lines) if line.startswith("The conflict is caused by")), None)
    found = []
    if conflict is not None:
        end = next((i for i in range(conflict, len(lines)) if not lines[i].strip()), len(lines))
        found = lines[conflict:end]
    found += [line for line in lines if _TELLING.match(line)]
    return "\n".join(dict.fromkeys(found[:_MOST_LINES] or lines[-_MOST_LINES:]))


def _borrow(venv: Path, below: Path, neutron: Path | None) -> None:
    """Give an environment the programs and the files that the release has and it has not itself."""
    first = f"#!{below}/bin/python".encode()
    for script in (below / "bin").iterdir():
        own = venv / "bin" / script.name
        if own.exists() or script.is_symlink() or not script.is_file():
            continue
        line, newline, rest = script.read_bytes().partition(b"\n")
        if line.startswith(first):
            own.write_bytes(line.replace(first, f"#!{venv}/bin/python".encode()) + newline + rest)
            own.chmod(0o755)
    # An editable installation leaves out what is no module.
    for place in _PASTE if neutron else ():
        if neutron and (neutron / place).exists():
            _link(venv / "etc/neutron/api-paste.ini", neutron / place)
    for file in (below / "etc").rglob("*"):
        if file.is_file():
            _link(venv / file.relative_to(below), file)


def _link(path: Path, target: Path) -> None:
    for folder in reversed(path.parents):
        if not folder.exists():
            folder.mkdir()
            folder.chmod(0o755)  # whatever the umask
    with contextlib.suppress(FileExistsError):
        path.symlink_to(target)


def made_from(name: str) -> Derivation | None:
    """Tell what an environment was made from, by its name; None when it is not there.

    Raises NotFound: it is neither a release that is shipped nor derived from one.
    """
    venv = cache.find(name)
    if venv is None:
        return None
    if DERIVED not in name:
        return Derivation(name, name)
    told = json.loads((venv.parent / _CONTENT).read_text())
    return Derivation(told["version"], name, told["tree"], tuple(told["packages"]))


def entry_points(venv: Path, group: str = "") -> list[EntryPoint]:
    """List what a derived environment adds to a group of entry points (or to all), or has in the release's place."""
    own = distributions(path=[str(site_packages(venv))])
    return [point for dist in own for point in dist.entry_points if group in ("", point.group)]


def migrations(name: str) -> str | None:
    """Tell a database that an environment migrates from others: by a sum of the migrations that its trees bring now.

    None: it brings none beside the release's. Raises NotFound, Prerequisite: it is not there.
    """
    if DERIVED not in name:
        return None
    venv, made = cache.path(name), made_from(name)
    points = entry_points(venv, _MIGRATIONS)
    if not points:
        return None
    roots = [root for path in (made.trees if made else ()) for root in tree.roots(path)]
    # As neutron-db-manage finds them: MODULE:FOLDER.
    folders = [root / point.module.replace(".", "/") / point.attr for point in points for root in roots]
    return tree.sum_of(file for folder in folders for file in sorted(folder.rglob("*")) if file.is_file())[:_SUM]
