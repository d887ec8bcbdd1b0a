"""In which of Keystone's projects the resources of a lab file are."""

from __future__ import annotations

import json
from collections.abc import Iterator

from fakevm.errors import LabFailed
from fakevm.model.lab import LabRecord
from fakevm.model.labfile import LabFile
from fakevm.model.labfile.auth import DEFAULT_PROJECT
from fakevm.model.labfile.reference import suggestion
from fakevm.model.remark import Remark

from . import keystone

# Without Keystone a request has no project: all resources of lab files are in this one.
_NO_KEYSTONES = "fakevm"


def id_of(record: LabRecord, lab: LabFile) -> str:
    """Give the id of the project of a lab's resources. Raises LabFailed: what Keystone made cannot be read."""
    if record.auth != "keystone":
        return _NO_KEYSTONES
    file = record.directory / keystone.PROJECTS
    try:
        return str(json.loads(file.read_text())[lab.project])
    except (OSError, ValueError, KeyError) as exc:
        raise LabFailed(f"cannot read the projects of lab {record.name!r} in {file}: {exc}") from exc


def wrong(lab: LabFile) -> Iterator[Remark]:
    """Find a project that is not there."""
    if lab.auth != "keystone":
        if lab.project != DEFAULT_PROJECT:
            yield Remark("only Keystone has projects", ("project",), "Say 'auth: keystone', or leave it out.")
    elif lab.project not in keystone.projects():
        hint = suggestion(lab.project, keystone.projects())
        yield Remark(f"a lab's Keystone has no project {lab.project!r}", ("project",), hint)
