"""All kinds of Neutron's resources that a lab can have."""

from __future__ import annotations

from itertools import chain

from fakevm.model.labfile import LabFile, sharing
from fakevm.model.resource import Kind

from . import guests

# Those of the lab file's keys (LabFile.sections), what guests are made of, and with whom all is shared.
KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in chain(*(value.kinds for value in LabFile.sections().values()), guests.KINDS, (sharing.POLICY,))
}


def parts_of(whole: str) -> list[Kind]:
    """Give the kinds of the parts of another kind."""
    return [kind for kind in KINDS.values() if kind.part_of == whole]
