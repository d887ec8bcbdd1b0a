"""What a lab file says to Neutron: a lab without one (``neutron: false``) can have none of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from fakevm.model.remark import Location


class OfNeutron:
    """Marks a key, in the annotation of its field: it says something to Neutron, or to who runs it."""


OF_NEUTRON = OfNeutron()


def keys(value: Any, at: Location = ()) -> Iterator[Location]:
    """Find the keys of that kind that are written in a file, or in a part of one; ``at`` leads to it."""
    if isinstance(value, BaseModel):
        for name in sorted(value.model_fields_set):
            field = type(value).model_fields[name]
            place = (*at, field.alias or name)
            if any(isinstance(mark, OfNeutron) for mark in field.metadata):
                yield place
            else:
                yield from keys(getattr(value, name), place)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from keys(item, (*at, key))
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from keys(item, (*at, index))
