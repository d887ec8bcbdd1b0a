"""The Neutron releases that a lab runs: installed on the way where they are not there yet."""

from __future__ import annotations

from pathlib import Path

from fakevm import release
from fakevm.backend.base import Backend
from fakevm.errors import InvalidInput
from fakevm.model.labfile import LabFile
from fakevm.model.remark import Location
from fakevm.progress import Progress


def resolved(lab: LabFile) -> LabFile:
    """Put a version in the place of each series that a lab file names. Raises NotFound."""
    hosts = {
        name: host.model_copy(update={"release": release.resolve(host.release or lab.release)})
        for name, host in lab.hosts.items()
    }
    return lab.model_copy(update={"release": release.resolve(lab.release), "hosts": hosts})


def chosen(backend: Backend, lab: LabFile) -> LabFile:
    """Give a lab whose file names no release the newest that its backend runs with. Raises InvalidInput."""
    if "release" in lab.model_fields_set or backend.runs_on(release.resolve(lab.release)):
        return lab
    able = _able(backend)
    if not able:
        raise InvalidInput(f"the backend {lab.backend} runs with no release of Neutron that FakeVM ships")
    return lab.model_copy(update={"release": able[-1]})


def of(lab: LabFile) -> list[str]:
    """List the versions that the server and the hosts of a resolved lab file run, each once."""
    if not lab.neutron:
        return []
    hosts = (host.release for host in lab.hosts.values() if host.release)
    return list(dict.fromkeys([lab.release, *hosts]))


def refuse_without(backend: Backend, lab: LabFile) -> None:
    """Raise InvalidInput when a lab's backend does not run with one of its releases."""
    refuse(backend, lab.backend, lab.release, ("release",))
    for name, host in lab.hosts.items():
        refuse(backend, lab.backend, host.release or lab.release, ("hosts", name, "release"))


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
    for version in of(lab):
        if release.find(version) is None:
            release.find_python(version)


def named(version: str) -> str:
    """Call a version as users know it: with its series."""
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
    with progress.step(f"installing Neutron {version}"):
        return release.install(version, progress)
