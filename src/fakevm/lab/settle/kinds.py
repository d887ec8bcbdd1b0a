"""Kinds of guests that nobody has brought."""

from __future__ import annotations

from collections.abc import Iterator

from fakevm.agent import plugin
from fakevm.errors import InvalidInput
from fakevm.model.guest import DEFAULT_KIND
from fakevm.model.labfile import LabFile
from fakevm.model.remark import Remark


def wrong(lab: LabFile) -> Iterator[Remark]:
    """Find guests of kinds that are not installed, or cannot be imported."""
    for name, guest in lab.guests.items():
        if guest.kind != DEFAULT_KIND:
            try:
                plugin.find(guest.kind, plugin.GUEST_KINDS)
            except InvalidInput as problem:
                yield Remark(problem.what, ("guests", name, "kind"), problem.hint)
