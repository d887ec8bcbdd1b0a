"""What is not as a lab file says: pure, from what the file wants and what Neutron has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from fakevm.control.neutron import Resource as Seen
from fakevm.lab.topology.kinds import KINDS
from fakevm.model.resource import NOTHING, AddressOf, Known, Ref, Resource, known

from .step import plain

State = Literal["changed", "missing", "extra"]
Everything = Mapping[str, Sequence[Seen]]

# Lists of which the order counts, and those to which Neutron adds: addresses by router advertisement.
_IN_ORDER = ("dns_nameservers",)
_WITH_MORE = ("fixed_ips", "external_fixed_ips")


class Drift(NamedTuple):
    """Something that is not as the file says: an attribute that is another, or a thing that is missing, or extra."""

    state: State
    kind: str
    name: str
    attribute: str = ""
    wanted: Any = None
    found: Any = None


def drift(
    wanted: Sequence[Resource], marked: Mapping[Ref, Seen], everything: Everything, answers: Mapping[Ref, Seen]
) -> Iterator[Drift]:
    """Compare all that a file wants with all that Neutron has.

    :param marked: what the lab made, with its parts, by its names
    :param everything: all that Neutron has, of each kind that has names
    :param answers: what Neutron answered when it made, or last changed, the lab's resources
    """
    seen = dict(marked) | _renamed(wanted, marked, everything, answers)
    ids = known(seen)
    names = {id_: ref.name for ref, id_ in ids.items() if isinstance(ref, Ref)}
    for resource in wanted:
        if resource.ref in seen:
            yield from _changed(resource, seen[resource.ref], answers.get(resource.ref, {}), ids, names)
        elif resource.parent is None or resource.parent in seen:
            yield Drift("missing", *resource.ref)
    yield from _extra({resource.ref for resource in wanted}, seen, everything, ids)


def _renamed(
    wanted: Iterable[Resource], marked: Mapping[Ref, Seen], everything: Everything, answers: Mapping[Ref, Seen]
) -> dict[Ref, Seen]:
    """Find by their ids those that have lost their names or marks."""
    by_id = {seen["id"]: seen for rows in everything.values() for seen in rows}
    lost = {resource.ref: answers.get(resource.ref, {}).get("id") for resource in wanted if resource.ref not in marked}
    return {ref: by_id[id_] for ref, id_ in lost.items() if KINDS[ref.kind].label and id_ in by_id}


def _changed(resource: Resource, seen: Seen, answer: Seen, ids: Known, names: Mapping[str, str]) -> Iterator[Drift]:
    """Compare the attributes of a resource."""
    ref, stated = resource.ref, resource.attributes
    kind = KINDS[ref.kind]
    if kind.label and seen[kind.label] != ref.name:
        yield Drift("changed", *ref, kind.label, ref.name, seen[kind.label])
    for key in dict.fromkeys((*stated, *kind.compared)):
        wish = _identified(stated.get(key, kind.changeable.get(key, NOTHING)), ids)
        if key in {*kind.completed(seen), *kind.completed(answer)} and _holds(seen.get(key), wish):
            continue
        chosen = answer.get(key, NOTHING)
        is_free = key not in stated or (chosen is not NOTHING and _fits(wish, chosen, key))
        if chosen is not NOTHING and is_free:
            differs = key in seen and not (_fits(chosen, seen[key], key) and _fits(seen[key], chosen, key))
            wish = chosen
        else:
            differs = wish is not NOTHING and key in seen and not _fits(wish, seen[key], key)
        if differs:
            yield Drift("changed", *ref, key, _named(wish, names), _named(seen[key], names))


def _extra(wanted: set[Ref], seen: Mapping[Ref, Seen], everything: Everything, ids: Known) -> Iterator[Drift]:
    """Find what Neutron has and the file does not: parts of what the file has, then whole things of anybody."""
    there = {ids[ref] for ref in wanted if ref in ids}
    for ref, found in seen.items():
        if not KINDS[ref.kind].label and found.get("parent") in there and ref not in wanted:
            yield Drift("extra", *ref)
    hidden = {network["id"] for network in everything.get("network", ()) if KINDS["network"].is_neutrons(network)}
    for kind, rows in everything.items():
        for found in rows:
            of_somebody = found.get("network_id") not in hidden and not KINDS[kind].is_neutrons(found)
            if found["id"] not in there and of_somebody:
                yield Drift("extra", kind, _call(found), "id", None, found["id"])


def _call(seen: Seen) -> str:
    """Call something as people know it: not all have names."""
    words = (seen.get(key) for key in ("name", "floating_ip_address", "cidr", "device_id", "id"))
    return next(str(word) for word in words if word)


def _identified(value: Any, ids: Known) -> Any:
    """Put ids and addresses in the place of references to what is there."""
    if isinstance(value, Ref | AddressOf):
        return ids.get(value, value)
    if isinstance(value, dict):
        return {key: _identified(item, ids) for key, item in value.items()}
    return [_identified(item, ids) for item in value] if isinstance(value, list) else value


def _named(value: Any, names: Mapping[str, str]) -> Any:
    """Put names in the place of ids."""
    value = plain(value)
    if isinstance(value, dict):
        return {key: _named(item, names) for key, item in value.items()}
    if isinstance(value, list):
        return [_named(item, names) for item in value]
    return names.get(value, value) if isinstance(value, str) else value


def _fits(wanted: Any, found: Any, key: str = "") -> bool:
    """Tell whether all that is wanted is found; Neutron may say more of it."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        return all(_fits(value, found.get(name), name) for name, value in wanted.items())
    if isinstance(wanted, list) and isinstance(found, list):
        return wanted == found if key in _IN_ORDER else _all_fit(wanted, found, more=key in _WITH_MORE)
    return bool(wanted == found) or (wanted in ({}, None) and found in ({}, None))


def _holds(found: Any, wanted: Any) -> bool:
    """Tell whether each that is wanted is found among others."""
    items = wanted if isinstance(wanted, list) else ()
    return all(any(_fits(item, other) for other in found or ()) for item in items)


def _all_fit(wanted: Sequence[Any], found: Sequence[Any], *, more: bool) -> bool:
    """Tell whether each that is wanted is found, in any order, and nothing else, unless there may be ``more``."""
    left = list(found)
    for item in wanted:
        same = next((other for other in left if _fits(item, other)), NOTHING)
        if same is NOTHING:
            return False
        left.remove(same)
    return not left or (more and bool(wanted))
