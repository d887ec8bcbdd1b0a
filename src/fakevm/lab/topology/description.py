"""A whole lab file as Neutron's resources, in an order in which they can be made (docs/adr/0038)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from itertools import chain

from fakevm.lab.services import loading
from fakevm.model.labfile import LabFile
from fakevm.model.resource import Resource, refs

from . import guests
from .kinds import KINDS, parts_of


@dataclass(frozen=True)
class Stage:
    """Resources of one kind, which do not need one another; what they need is in stages before."""

    title: str
    kind: str
    resources: tuple[Resource, ...]


def stages(lab: LabFile) -> tuple[Stage, ...]:
    """Describe all resources of a lab, kind by kind; stages without any are left out."""
    made: dict[str, list[Resource]] = {}
    for resource in _described(lab):
        made.setdefault(resource.ref.kind, []).append(resource)
    return tuple(Stage(KINDS[kind].plural, kind, level) for kind in _in_order(made) for level in _levels(made[kind]))


def resources(lab: LabFile) -> tuple[Resource, ...]:
    """Describe all resources of a lab in one row."""
    return tuple(chain(*(stage.resources for stage in stages(lab))))


def _described(lab: LabFile) -> Iterator[Resource]:
    for _, name, value in lab.resources():
        yield from value.described(name, lab)
    named = loading.has(lab, "dns")
    for name, guest in lab.guests.items():
        yield from guests.ports(lab, name, guest, named=named)
        yield from guests.trunks(name, guest)


def _in_order(made: dict[str, list[Resource]]) -> Iterator[str]:
    """Sort kinds by what their resources refer to; those that become ready together as in the list of all kinds."""
    graph = {kind: _needs(kind, found) & made.keys() - {kind} for kind, found in made.items()}
    sorter = TopologicalSorter(graph)
    sorter.prepare()
    places = {kind: place for place, kind in enumerate(KINDS)}
    while sorter.is_active():
        for kind in sorted(sorter.get_ready(), key=places.__getitem__):
            yield kind
            sorter.done(kind)


def _levels(found: Sequence[Resource]) -> Iterator[tuple[Resource, ...]]:
    """Split resources of one kind: those that refer to others of it come after them."""
    left = list(found)
    while left:
        there = {resource.ref for resource in left}
        waits = [resource for resource in left if there & set(refs(resource.attributes))]
        yield tuple(resource for resource in left if not there & set(refs(resource.attributes)))
        left = waits


def _needs(kind: str, found: Iterable[Resource]) -> set[str]:
    own = KINDS[kind]
    needed = {ref.kind for resource in found for ref in refs(resource.attributes)} | set(own.after)
    if own.part_of:
        return needed | {own.part_of}
    return needed | {part.name for whole in needed for part in parts_of(whole)}
