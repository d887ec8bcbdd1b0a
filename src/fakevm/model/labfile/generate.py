"""Guests and links that a lab file has made for it: the shapes that networks are built in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, pairwise
from typing import Any

from pydantic import Field, ValidationError, model_validator

from fakevm.model.value import Value

from .guest import GuestFile

_MOST_LINKS = 4096
# A link between two guests, by their names.
Pair = tuple[str, str]


class LeafSpineFile(Value):
    """Each leaf has a link to each spine, as in a data center; ``leaf_ring``: one to each leaf beside it, too."""

    spines: int = Field(ge=1, le=64, description="How many spines: `spine1`, `spine2`…")
    leaves: int = Field(ge=1, le=512, description="How many leaves: `leaf1`, `leaf2`…")
    leaf_ring: bool = Field(default=False, description="Whether the leaves make a ring, too.")

    @model_validator(mode="after")
    def _has_room(self) -> LeafSpineFile:
        if self.leaf_ring and self.leaves < 3:
            raise ValueError("a ring has at least three leaves")
        if self.spines * self.leaves > _MOST_LINKS:
            raise ValueError(f"that is more than {_MOST_LINKS} links")
        return self

    def guests(self) -> list[str]:
        """Name its guests."""
        return [*_named("spine", self.spines), *_named("leaf", self.leaves)]

    def pairs(self) -> Iterator[Pair]:
        """Give its links."""
        leaves = _named("leaf", self.leaves)
        yield from ((spine, leaf) for leaf in leaves for spine in _named("spine", self.spines))
        if self.leaf_ring:
            yield from _ring(leaves)


class GenerateFile(Value):
    """Shapes, each of guests that are called by it and a number, with links from ``eth1`` on.

    ``guest`` is what each of them is, if the file does not say otherwise under its name.
    """

    leaf_spine: LeafSpineFile | None = Field(
        default=None, description="`{spines: 4, leaves: 16, leaf_ring: true}`: each leaf has a link to each spine."
    )
    ring: int | None = Field(default=None, ge=3, le=512, description="So many guests in a ring: `ring1`, `ring2`…")
    mesh: int | None = Field(
        default=None, ge=2, le=64, description="So many guests, each with a link to every other: `mesh1`, `mesh2`…"
    )
    line: int | None = Field(default=None, ge=2, le=512, description="So many guests in a row: `line1`, `line2`…")
    guest: GuestFile = Field(default=GuestFile(), description="What each of these guests is: keys as of a guest.")

    def guests(self) -> list[str]:
        """Name its guests."""
        own = self.leaf_spine.guests() if self.leaf_spine else []
        return [*own, *_named("ring", self.ring), *_named("mesh", self.mesh), *_named("line", self.line)]

    def pairs(self) -> Iterator[Pair]:
        """Give its links."""
        if self.leaf_spine:
            yield from self.leaf_spine.pairs()
        if self.ring:
            yield from _ring(_named("ring", self.ring))
        yield from combinations(_named("mesh", self.mesh), 2)
        yield from pairwise(_named("line", self.line))


def generated(tree: Mapping[str, Any]) -> Mapping[str, Any]:
    """Write out what a file has made for it; what the file has under the same names wins.

    A file that asks for nothing, or for what cannot be, is left as it is.
    """
    asked = tree.get("generate")
    if not isinstance(asked, Mapping) or not all(isinstance(tree.get(key, {}), Mapping) for key in ("guests", "links")):
        return tree
    try:
        wanted = GenerateFile.model_validate(asked)
    except ValidationError:
        return tree
    alike = dict(asked.get("guest") or {})
    own, own_links = tree.get("guests", {}), tree.get("links", {})
    guests = {name: _joined(alike, own.get(name)) for name in wanted.guests()}
    rest = {key: value for key, value in tree.items() if key != "generate"}
    return {
        **rest,
        "guests": guests | {k: v for k, v in own.items() if k not in guests},
        "links": _links(wanted) | own_links,
    }


def place_of(tree: Mapping[str, Any], at: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """Give where a file says something of a guest or a link that it has made for it; any other place as it is."""
    asked = tree.get("generate")
    if len(at) < 2 or at[0] not in ("guests", "links") or not isinstance(asked, Mapping):
        return at
    own = tree.get(str(at[0]))
    written = own.get(at[1]) if isinstance(own, Mapping) else None
    if at[0] == "links":
        return at if written is not None else ("generate",)
    alike = asked.get("guest")
    of_all = len(at) > 2 and isinstance(alike, Mapping) and at[2] in alike
    if isinstance(written, Mapping) and (at[2:3] == () or at[2] in written or not of_all):
        return at
    return ("generate", "guest", *at[2:]) if of_all else at if written is not None else ("generate",)


def _joined(alike: Mapping[str, Any], own: Any) -> Any:
    """Give what a guest is: what the file says of it, and else as the others."""
    return {**alike, **(own or {})} if isinstance(own, Mapping | None) else own


def _links(wanted: GenerateFile) -> dict[str, str]:
    devices: Counter[str] = Counter()
    found = {}
    for pair in wanted.pairs():
        devices.update(pair)
        found["-".join(pair)] = " -- ".join(f"{guest}:eth{devices[guest]}" for guest in pair)
    return found


def _named(shape: str, number: int | None) -> list[str]:
    return [f"{shape}{index}" for index in range(1, (number or 0) + 1)]


def _ring(guests: Sequence[str]) -> Iterator[Pair]:
    yield from pairwise(guests)
    yield guests[-1], guests[0]
