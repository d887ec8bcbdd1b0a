"""Installing and removing a release."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fakevm import errors
from fakevm.linux import lock
from fakevm.progress import SILENT, Progress

from . import environment, users
from .cache import beside, derived_from, home, is_complete
from .catalogue import called, constraints, find_python, fingerprint, pins, resolve, shipped

# Packages that come as source only: the programs that they are compiled with, and what Debian has these in.
_COMPILED = {"mysqlclient": {"gcc": "gcc", "pkg-config": "pkg-config", "mariadb_config": "libmariadb-dev"}}
# Longer than any installation takes, so that only one that hangs is given up on (seconds).
_LOCK_PATIENCE = 1800.0


@contextmanager
def _locked(directory: Path, progress: Progress) -> Iterator[None]:
    """Keep other installers of this release out. The kernel lets go of the lock however we end."""
    file = directory / users.LOCK
    while True:
        _prepare(directory)
        file.touch()
        inode = file.stat().st_ino
        with lock.held(file, _LOCK_PATIENCE, lambda: progress.note("Waiting for another installation to end")):
            # Who held it may have removed all, and who comes next would wait for another file.
            if file.exists() and file.stat().st_ino == inode:
                yield
                return


def _prepare(directory: Path) -> None:
    try:
        for folder in (directory.parent.parent, directory.parent, directory):
            if not folder.is_dir():
                folder.mkdir(parents=True, exist_ok=True)  # another installer may just have made it
                folder.chmod(0o755)  # whatever the umask: what root installs serves all users
    except OSError as exc:
        raise errors.Prerequisite(
            f"cannot write to the cache {directory}: {exc.strerror}",
            hint="Set FAKEVM_CACHE to another folder.",
        ) from exc


def install(name: str, progress: Progress = SILENT) -> Path:
    """Install a release into this user's own cache, unless it is there; returns its virtual environment.

    An interrupted installation leaves nothing but its log, one that was killed is done again; what was downloaded pip
    keeps. ``progress`` is told what begins, and how many packages are fetched. Raises NotFound, Prerequisite,
    Conflict (an older environment in use must be replaced), CommandFailed, TimedOut.
    """
    version = resolve(name)
    directory = home(version)
    if not is_complete(directory, version):
        with claimed(directory, version, progress) as venv:
            if venv is not None:
                _fill(directory, version, progress)
    return directory / "venv"


@contextmanager
def claimed(directory: Path, name: str, progress: Progress) -> Iterator[Path | None]:
    """Hold the place of an environment while it is made; gives where, or None: another process has made it meanwhile.

    What fails leaves none. Raises Prerequisite, Conflict, TimedOut.
    """
    venv = directory / "venv"
    with _locked(directory, progress):
        if is_complete(directory, name):
            yield None
            return
        _refuse_if_used(directory)
        (directory / "complete").unlink(missing_ok=True)
        try:
            yield venv
        except BaseException:
            shutil.rmtree(venv, ignore_errors=True)
            raise


def _fill(directory: Path, version: str, progress: Progress) -> None:
    venv, log, stamp = directory / "venv", directory / "install.log", directory / "complete"
    python = find_python(version)
    _refuse_without_compiler(version)
    log.write_text("")
    progress.note(f"Making the virtual environment {venv}")
    made_with = environment.make(venv, log, python)
    packages = len(pins(version, made_with))
    progress.note(f"Installing {called(version)} and its {packages - 1} libraries")
    # The file pins everything, so there is nothing to resolve.
    arguments: list[str | Path] = ["--no-deps", "--requirement", constraints(version)]
    environment.pip_install(venv, arguments, log, lambda: progress.seen(_how_far(environment.collected(log), packages)))
    stamp.write_text(fingerprint(version, made_with) + "\n")
    stamp.chmod(0o644)


def _refuse_if_used(directory: Path) -> None:
    """Raise Conflict when a running lab stands on an environment, or on one that is derived from it or kept with it."""
    for one in (directory, *beside(directory), *derived_from(directory.name)):
        users.refuse_if_used(one / "venv")


def _how_far(done: int, total: int) -> str:
    return f"{done} of {total} packages fetched" if done < total else "putting the packages in place"


def _refuse_without_compiler(version: str) -> None:
    """Raise Prerequisite when a package is to be compiled and cannot be: its own words for it help nobody."""
    for line in constraints(version).read_text().splitlines():
        package = line.partition("==")[0]
        needed = _COMPILED.get(package, {})
        if missing := [program for program in needed if shutil.which(program) is None]:
            raise errors.Prerequisite(
                f"{package} is compiled as it is installed, and {', '.join(missing)} is not there",
                hint=f"On Debian: apt-get install {' '.join(needed.values())} python3-dev",
            )


def remove(name: str) -> bool:
    """Remove a release, and what was made with it and derived from it, from this user's own cache.

    Also a derived environment, by its name. False when it was not there. Raises NotFound, Conflict (in use), TimedOut.
    """
    directory = home(resolve(name))
    _refuse_if_used(directory)
    for one in derived_from(directory.name):
        if one.parent == directory.parent:
            remove(one.name)
    if not (directory / "venv").exists():
        return False
    with _locked(directory, SILENT):
        _refuse_if_used(directory)
        (directory / "complete").unlink(missing_ok=True)
        shutil.rmtree(directory)
    return True


def unused() -> Iterator[str]:
    """Name the derived environments in this user's own cache that no process runs programs of, nor is about to."""
    for version in shipped():
        for directory in derived_from(version):
            venv = directory / "venv"
            if directory.parent == home(version).parent and not (users.processes(venv) or users.is_coming(venv)):
                yield directory.name
