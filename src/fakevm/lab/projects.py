"""In which of Keystone's projects the resources of a lab file are."""

from __future__ import annotations

import json
from collections.abc import Iterator

from fakevm.errors import LabFailed
from fakevm.model.lab import LabRecord
from fakevm.model.labfile import LabFile
from fakevm.model.labfile.auth import DEFAULT_PROJECT
from fakevm.model.labfile.check import ApiCheck
from fakevm.model.labfile.reference import suggestion
from fakevm.model.labfile.sharing import EVERYBODY
from fakevm.model.remark import Location, Remark

from . import keystone

# Without Keystone a request has no project: all resources of lab files are in this one.
_NO_KEYSTONES = "fakevm"


def ids(record: LabRecord) -> dict[str, str]:
    """Give the ids of a lab's projects, by name; without Keystone there are none. Raises LabFailed: as ``id_of``."""
    if record.auth != "keystone":
        return {}
    file = record.directory / keystone.PROJECTS
    try:
        return {str(name): str(id_) for name, id_ in json.loads(file.read_text()).items()}
    except (OSError, ValueError, AttributeError) as exc:
        raise LabFailed(f"cannot read the projects of lab {record.name!r} in {file}: {exc}") from exc


def id_of(record: LabRecord, lab: LabFile) -> str:
    """Give the id of the project of a lab's resources. Raises LabFailed: what Keystone made cannot be read."""
    if record.auth != "keystone":
        return _NO_KEYSTONES
    known = ids(record)
    if lab.project not in known:
        raise LabFailed(f"the Keystone of lab {record.name!r} made no project {lab.project!r}")
    return known[lab.project]


def wrong(lab: LabFile) -> Iterator[Remark]:
    """Find a project that is not there."""
    if lab.auth != "keystone":
        if lab.project != DEFAULT_PROJECT:
            yield Remark("only Keystone has projects", ("project",), "Say 'auth: keystone', or leave it out.")
    elif lab.project not in keystone.projects():
        yield _unknown(lab.project, ("project",))
    yield from _shared(lab)
    yield from _users(lab)


def _unknown(project: str, at: Location) -> Remark:
    return Remark(f"a lab's Keystone has no project {project!r}", at, suggestion(project, keystone.projects()))


def _shared(lab: LabFile) -> Iterator[Remark]:
    """Find projects with which something is shared, and that are not there."""
    for key, name, resource in lab.resources():
        for index, project in enumerate(getattr(resource, "shared_with", ())):
            at: Location = (key, name, "shared_with", index)
            if project == EVERYBODY:
                continue
            if lab.auth != "keystone":
                yield Remark("only Keystone has projects", at, "Say 'auth: keystone', or share it with all: ['*'].")
            elif project == lab.project:
                yield Remark(f"{project!r} is the project that has it", at)
            elif project not in keystone.projects():
                yield _unknown(project, at)


def _users(lab: LabFile) -> Iterator[Remark]:
    """Find checks of what a user is told, where there is no such user."""
    for name, check in lab.checks.items():
        at: Location = ("checks", name, "from")
        if not isinstance(check, ApiCheck):
            continue
        if lab.auth != "keystone":
            yield Remark("only Keystone has users", at, "Say 'auth: keystone'.")
        elif check.source not in keystone.USERS:
            users = list(keystone.USERS)
            yield Remark(f"a lab's Keystone has no user {check.source!r}", at, suggestion(check.source, users))
