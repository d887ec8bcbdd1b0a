"""The Neutron releases that a lab runs: installed on the way where they are not there yet."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from fakevm import release
from fakevm.backend.base import Backend
from fakevm.errors import InvalidInput
from fakevm.model.labfile import LabFile
from fakevm.model.labfile.release import TreeFile
from fakevm.model.labfile.release import version as version_of
from fakevm.model.remark import Location
from fakevm.progress import Progress
from fakevm.release import Derivation

from .services import loading

# As a lab file says it.
Written = str | TreeFile


def resolved(lab: LabFile) -> LabFile:
    """Put a version in the place of each series that a lab file names, and beside each tree.

    Raises NotFound, InvalidInput: a tree or a package is not what can be installed.
    """
    places: dict[Written, Location] = {}
    for name, host in lab.hosts.items():
        places.setdefault(host.release or lab.release, ("hosts", name, "release") if host.release else ("release",))
    places[lab.release] = ("release",)
    found = {written: _resolved(written, at) for written, at in places.items()}
    own = [((*at, "packages"), one.packages) for at, one in loading.placed(lab)]
    for at, some in ((("packages",), lab.packages), *own):
        for index, package in enumerate(some):
            if package.startswith("/"):
                with placed((*at, index)):
                    release.require(Path(package))
    hosts = {
        name: host.model_copy(update={"release": found[host.release or lab.release]})
        for name, host in lab.hosts.items()
    }
    return lab.model_copy(update={"release": found[lab.release], "hosts": hosts})


def _resolved(written: Written, at: Location) -> Written:
    if isinstance(written, str):
        return release.resolve(written)
    with placed(at):
        nearest, _ = release.nearest(Path(written.path))
        return written.model_copy(update={"like": release.resolve(written.like or nearest)})


@contextlib.contextmanager
def placed(at: Location) -> Iterator[None]:
    """Say of what is refused which part of the lab file it is."""
    try:
        yield
    except InvalidInput as refused:
        raise InvalidInput(refused.what, hint=refused.hint, at=at) from refused


def why(written: TreeFile) -> str:
    """Say which release's libraries a tree runs with, and why: nobody has said it."""
    version, reason = release.nearest(Path(written.path))
    return f"{written.path} runs with the libraries of Neutron {named(version)}: {reason}"


def chosen(backend: Backend, lab: LabFile) -> LabFile:
    """Give a lab whose file names no release the newest that its backend runs with. Raises InvalidInput."""
    if "release" in lab.model_fields_set or backend.runs_on(release.resolve(lab.version())):
        return lab
    able = _able(backend)
    if not able:
        raise InvalidInput(f"the backend {lab.backend} runs with no release of Neutron that FakeVM ships")
    return lab.model_copy(update={"release": able[-1]})


def environments(lab: LabFile) -> dict[Written, Derivation]:
    """Say what the environments of the server and the hosts of a resolved lab file are made from.

    So of what a lab has beside them. Raises InvalidInput: a tree or a package is not what can be installed.
    """
    if not lab.neutron:
        return {}
    hosts = (host.release for host in lab.hosts.values() if host.release)
    neutrons = {
        written: _environment(written, loading.packages(lab)) for written in dict.fromkeys([lab.release, *hosts])
    }
    return neutrons | ({name: Derivation(name, name)} if (name := keystone(lab)) else {})


def keystone(lab: LabFile) -> str:
    """Name the environment of a lab's Keystone, which goes with the server's release; empty: it has none."""
    return release.beside("keystone", lab.version()) if lab.auth == "keystone" else ""


def _environment(written: Written, packages: tuple[str, ...]) -> Derivation:
    tree = written.path if isinstance(written, TreeFile) else ""
    return release.derive(version_of(written), tree, packages)


def of(lab: LabFile) -> list[str]:
    """Name the environments that the server and the hosts of a resolved lab file run in, each once."""
    return [one.name for one in environments(lab).values()]


def written(name: str) -> Written:
    """Give what a lab file says for an environment, but for its packages."""
    made = release.made_from(name)
    return TreeFile(path=made.tree, like=made.version) if made and made.tree else release.base(name)


def refuse_without(backend: Backend, lab: LabFile) -> None:
    """Raise InvalidInput when a lab's backend does not run with one of its releases."""
    refuse(backend, lab.backend, lab.version(), ("release",))
    for name in lab.hosts:
        refuse(backend, lab.backend, lab.version(name), ("hosts", name, "release"))


def refuse(backend: Backend, name: str, version: str, at: Location = ()) -> None:
    """Raise InvalidInput when a backend does not run with a release; ``at`` is where the lab file says it."""
    if not backend.runs_on(version):
        able = ", ".join(map(named, _able(backend))) or "none"
        raise InvalidInput(
            f"the backend {name} does not run with Neutron {named(version)}",
            hint=f"Releases that it runs with: {able}.",
            at=at,
        )


def refuse_without_python(lab: LabFile) -> None:
    """Raise Prerequisite when a resolved lab file names a release that this machine has no Python for."""
    for base in dict.fromkeys(map(release.base, of(lab))):
        if release.find(base) is None:
            release.find_python(base)


def named(version: str) -> str:
    """Call a version, or the name of an environment, as users know it: with its series."""
    return f"{version} ({release.series(version)})"


def _able(backend: Backend) -> list[str]:
    """List the versions that a backend runs with, oldest first."""
    return [version for version in release.shipped() if backend.runs_on(version)]


def install(version: str, progress: Progress) -> Path:
    """Find the virtual environment of a version, or make it, as a step of its own.

    Raises Prerequisite, Conflict, CommandFailed, TimedOut.
    """
    if (venv := release.find(version)) is not None:
        return venv
    with progress.step(f"installing {release.called(version)}"):
        return release.install(version, progress)


def make(wanted: Derivation, progress: Progress) -> Path:
    """Find an environment, or make it over its release, as steps of their own; what it takes is told.

    Raises Prerequisite, Conflict, CommandFailed, TimedOut.
    """
    if (venv := release.find(wanted.name)) is not None:
        return venv
    below = install(wanted.version, progress)
    if wanted.is_plain:
        return below
    with progress.step(f"installing {wanted.words} over Neutron {wanted.version}"):
        venv = release.install_derived(wanted, below, progress)
    size = release.look(wanted.name).size / 1e6
    progress.note(f"{wanted.name}: {size:.1f} MB, kept beside Neutron {wanted.version} for other labs")
    return venv
