"""A compute API where there is no Keystone."""

from __future__ import annotations

from collections.abc import Iterator

from fakevm.model.labfile import LabFile
from fakevm.model.remark import Remark


def wrong(lab: LabFile) -> Iterator[Remark]:
    """Find it."""
    if lab.compute_api and lab.auth != "keystone":
        what = "a compute API needs Keystone: clients find it in the catalogue, and servers belong to projects"
        yield Remark(what, ("compute_api",), "Say 'auth: keystone', too.")
