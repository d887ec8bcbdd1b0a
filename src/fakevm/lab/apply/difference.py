"""What must be done to bring a lab from one file to another: pure, from the two files and where the guests are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fakevm.backend import base as backends
from fakevm.errors import InvalidInput
from fakevm.lab import outside
from fakevm.lab.services import loading
from fakevm.lab.topology.description import resources
from fakevm.lab.topology.kinds import KINDS, parts_of
from fakevm.lab.topology.routing.daemons import routers
from fakevm.model.guest import GuestSettings
from fakevm.model.labfile import GuestFile, HostFile, LabFile, PortFile
from fakevm.model.labfile.guest import RunFile
from fakevm.model.labfile.options import options_of
from fakevm.model.nic import DEFAULT_NIC
from fakevm.model.resource import NOTHING, Ref, Resource, refs

from . import config
from .config import Told
from .interfaces import Comparison, Interfaces
from .step import Change, Step, plain

# What belongs to the lab itself, which must be started anew for it.
FIXED = (
    "neutron",
    "release",
    "packages",
    "services",
    "backend",
    "auth",
    "compute_api",
    "project",
    "datapath",
    "firewall",
    "warm",
    "physical_networks",
    "underlay",
    "outside",
)


@dataclass(frozen=True)
class Difference:
    """What must be done; resources to be removed are in the order in which they can be.

    ``removed`` goes first, what is made anew (``replaced``) among it; ``removed_late`` when all has been changed that
    used it.
    """

    removed: tuple[Resource, ...]
    removed_late: tuple[Resource, ...]
    replaced: frozenset[Ref]
    made: tuple[Resource, ...]
    changed: tuple[tuple[Resource, dict[str, Any]], ...]
    stopped: tuple[str, ...]
    started: tuple[str, ...]
    told: tuple[str, ...]
    """Guests that go on, of which the metadata service tells something else."""
    commanded: tuple[str, ...]
    """Guests that go on, in which commands are run that the old file did not have."""
    kept: tuple[str, ...]
    """Guests that go on, and are to keep something else running."""
    interfaces: Interfaces
    """What is done to interfaces of guests that go on, and to links."""
    coming: tuple[str, ...]
    leaving: tuple[str, ...]
    """Hosts that are not in the old file, or not in the new one."""
    whys: Mapping[tuple[str, str], tuple[Change, ...]]
    """What is another, of each kind and name."""
    uncarried: tuple[str, ...] = ()
    """Links whose relays end, be it to start anew."""
    carried: tuple[str, ...] = ()
    """Links that get relays."""
    bridged: tuple[str, ...] = ()
    """Bridges that are made, or changed."""
    bridges: tuple[Step, ...] = ()
    """What is done to bridges."""
    options: tuple[Told, ...] = ()
    """What Neutron's programs are told that they were not told."""

    def steps(self) -> Iterator[Step]:
        """Say all of it, in the order in which it is done."""
        started, stopped = set(self.started), set(self.stopped)
        yield from (Step("start", "host", name) for name in self.coming)
        yield from config.steps(self.options)
        yield from (Step("stop", "guest", name) for name in self.stopped if name not in started)
        yield from self.interfaces.going
        for ref in (resource.ref for resource in self.removed):
            yield self._step("replace", *ref) if ref in self.replaced else Step("remove", *ref)
        made = (resource.ref for resource in self.made if resource.ref not in self.replaced)
        yield from (Step("make", *ref) for ref in made)
        yield from (self._step("change", *resource.ref) for resource, _ in self.changed)
        yield from (Step("remove", *resource.ref) for resource in self.removed_late)
        for name in self.started:
            yield self._step("restart", "guest", name) if name in stopped else Step("start", "guest", name)
        yield from self.bridges
        yield from self.interfaces.coming
        told = {step.name for step in (*self.interfaces.going, *self.interfaces.coming) if step.kind == "link"}
        yield from (Step("restart", "link", name) for name in self.carried if name not in told)
        yield from (
            self._step("change", "guest", name) for name in dict.fromkeys((*self.told, *self.commanded, *self.kept))
        )
        yield from (Step("remove", "host", name) for name in self.leaving)

    def _step(self, action: str, kind: str, name: str) -> Step:
        return Step(action, kind, name, self.whys.get((kind, name), ()))


def refuse_fixed(old: LabFile, new: LabFile) -> None:
    """Raise InvalidInput that names all that a running lab cannot change."""
    pairs = {field: (getattr(old, field), getattr(new, field)) for field in FIXED}
    if old.backend == new.backend:
        pairs[new.backend] = options_of(old), options_of(new)
    differ = [
        f"{field} ({was} → {wanted})" if isinstance(was, str) else field
        for field, (was, wanted) in pairs.items()
        if was != wanted
    ]
    both = [name for name in old.hosts if name in new.hosts]
    differ += [f"services ({name})" for name in new.needed_services if not loading.has(old, name)]
    differ += [f"host {name}" for name in both if _fixed(old.hosts[name]) != _fixed(new.hosts[name])]
    if any(host.l3_mode != "legacy" for name, host in new.hosts.items() if name not in old.hosts):
        # The switches of all hosts would have to be set up for distributed routers.
        differ += ["hosts of distributed routers"] if all(h.l3_mode == "legacy" for h in old.hosts.values()) else []
    if _need_zones(new) and not any(host.zone for host in old.hosts.values()):
        # Neutron's server schedules routers by zones when it was started with some (lab/neutron.py).
        differ.append("routers in zones")
    if "outside" not in differ and not outside.suffices(outside.plan(old), outside.plan(new)):
        differ.append("networks that lead outside")
    if differ:
        raise InvalidInput(
            f"a lab that runs cannot change: {', '.join(differ)}",
            hint="End it, and start it from the new file: fakevm lab down, fakevm lab up FILE.",
        )


def _need_zones(lab: LabFile) -> bool:
    """Tell whether routers are to be scheduled by zones."""
    are_told = any(router.zones for router in lab.routers.values()) and any(host.zone for host in lab.hosts.values())
    return are_told and backends.load(lab.backend).routed_by_agents


def _fixed(host: HostFile) -> HostFile:
    """Give what of a host cannot change; options are told to its programs."""
    return host.model_copy(update={"config": {}})


def difference(
    old: LabFile,
    new: LabFile,
    where: Mapping[str, str],
    there: Collection[Ref] | None = None,
    incomplete: Collection[str] = (),
    *,
    missing: Collection[str] = (),
    relayed: Collection[str] | None = None,
) -> Difference:
    """Compare two lab files; ``where`` says on which host each guest of the old one is. Raises InvalidInput.

    ``there``: of a lab that was not finished, the resources of the old file that it has. A guest that is nowhere is
    started then, and one of those that are ``incomplete``, as they lack interfaces, anew. ``missing`` are interfaces at
    links' ends that guests lack which run (GUEST:INTERFACE), ``relayed`` the links that have relays.
    """
    refuse_fixed(old, new)
    before = {resource.ref: resource for resource in resources(old) if there is None or resource.ref in there}
    after = {resource.ref: resource for resource in resources(new)}
    differing = {ref: _differing(before[ref], after[ref]) for ref in after if ref in before}
    changes = {ref: _in_place(after[ref], found) for ref, found in differing.items()}
    anew = {ref for ref, changed in changes.items() if changed is None}
    anew |= _exchanging(before, after, changes)
    anew |= {Ref("port", ref.name) for ref in (before.keys() ^ after.keys()) | anew if ref.kind == "trunk"}
    gone = set(before) - set(after)
    anew = _with_dependents(anew | gone, before, after) & before.keys() & after.keys()
    going = [r for ref, r in reversed(before.items()) if ref in gone | anew and not _goes_along(r, gone | anew)]
    compared = Comparison(old, new, gone | anew, missing)
    stopped = [name for name in old.guests if name in incomplete or _must_stop(name, compared, where.get(name))]
    absent = set() if there is None else old.guests.keys() - where.keys()
    started = [name for name in new.guests if name not in old.guests or name in stopped or name in absent]
    going_on = [name for name in new.guests if name not in started]
    there_relayed = {name for name, link in old.links.items() if link.is_carried} if relayed is None else set(relayed)
    same = {name for name in there_relayed if name in new.links and _relay(old, name) == _relay(new, name)}
    return Difference(
        uncarried=tuple(sorted(there_relayed - same)),
        bridged=tuple(
            name for name, bridge in new.bridges.items() if there is not None or old.bridges.get(name) != bridge
        ),
        bridges=tuple(_bridges(old, new)),
        carried=tuple(name for name, link in new.links.items() if link.is_carried and name not in same),
        removed=tuple(r for r in going if not _is_late(r) or r.ref in anew),
        removed_late=tuple(r for r in going if _is_late(r) and r.ref not in anew),
        replaced=frozenset(anew),
        made=tuple(r for ref, r in after.items() if ref in anew or ref not in before),
        changed=tuple((after[r], c) for r in after if (c := changes.get(r)) and r not in anew),
        stopped=tuple(stopped),
        started=tuple(started),
        told=tuple(n for n in going_on if _told(n, old) != _told(n, new)),
        interfaces=compared.of([name for name in going_on if name in old.guests]),
        kept=tuple(name for name in going_on if name in old.guests and _keeps(name, old) != _keeps(name, new)),
        commanded=tuple(n for n in going_on if new_commands(old.guests[n], new.guests[n])),
        coming=tuple(name for name in new.hosts if name not in old.hosts),
        leaving=tuple(name for name in old.hosts if name not in new.hosts),
        whys={(ref.kind, ref.name): found for ref, found in differing.items()}
        | dict(_guests_differing(old, new, where)),
    )


def _exchanging(
    before: Mapping[Ref, Resource], after: Mapping[Ref, Resource], changes: Mapping[Ref, object]
) -> set[Ref]:
    """Name what cannot be changed one after the other: one would take what another still has."""
    holders = {key: ref for ref, held in before.items() if (key := _exclusive(held))}
    found: set[Ref] = set()
    for ref, wanted in after.items():
        holder = holders.get(_exclusive(wanted), ref)
        if holder != ref and changes.get(holder):
            found |= {holder, *((ref,) if changes.get(ref) else ())}
    return found


def _exclusive(resource: Resource) -> object:
    key = KINDS[resource.ref.kind].exclusive(resource.attributes)
    return key and (resource.ref.kind, key)


def _bridges(old: LabFile, new: LabFile) -> Iterator[Step]:
    yield from (Step("remove", "bridge", name) for name in old.bridges if name not in new.bridges)
    for name, bridge in new.bridges.items():
        if name not in old.bridges:
            yield Step("make", "bridge", name)
        elif old.bridges[name] != bridge:
            was, wanted = (each.model_dump(mode="json") for each in (old.bridges[name], bridge))
            changes = (Change(key, was[key], wanted[key]) for key in was if was[key] != wanted[key])
            yield Step("change", "bridge", name, tuple(changes))


def _relay(lab: LabFile, link: str) -> tuple[object, ...]:
    return lab.links[link].relay if link in lab.links else ()


def new_commands(old: GuestFile, new: GuestFile) -> list[RunFile]:
    """Give the commands of a guest that its old file does not have, or not as often."""
    before, found = Counter(old.run), []
    for command in new.run:
        if before[command] <= 0:
            found.append(command)
        before[command] -= 1
    return found


def _goes_along(resource: Resource, going: set[Ref]) -> bool:
    """Tell whether Neutron removes a part with the whole."""
    return KINDS[resource.ref.kind].goes_along and resource.parent in going


def _is_late(resource: Resource) -> bool:
    """Tell whether others use it until they are changed."""
    return KINDS[resource.ref.kind].used_until_changed


def _must_stop(guest: str, compared: Comparison, where: str | None) -> bool:
    """Tell whether a guest cannot go on: it is not in the new file, is to be elsewhere, or has other ports."""
    new = compared.new
    if guest not in new.guests or new.guests[guest].host not in (None, where):
        return True
    if where is not None and where not in new.hosts:
        return True
    was, wanted = compared.old.guests[guest], new.guests[guest]
    return (was.kind, was.settings) != (wanted.kind, wanted.settings) or compared.needs_restart(guest)


def _differing(old: Resource, new: Resource) -> tuple[Change, ...]:
    """Compare the attributes of a resource; what a file does not speak of is as by default, if that can be said."""
    known = {key: value for key, value in KINDS[new.ref.kind].changeable.items() if value is not NOTHING}
    keys = [key for key in {**old.attributes, **new.attributes} if old.attributes.get(key) != new.attributes.get(key)]
    was, wanted = known | old.attributes, known | new.attributes
    return tuple(Change(key, plain(was.get(key)), plain(wanted.get(key))) for key in keys)


def _in_place(new: Resource, differing: Collection[Change]) -> dict[str, Any] | None:
    """Give the attributes that Neutron is to change; None when the resource must be made anew for that."""
    known = KINDS[new.ref.kind].changeable
    if differing and KINDS[new.ref.kind].fixed(new.attributes):
        return None
    values = {change.what: new.attributes.get(change.what, known.get(change.what, NOTHING)) for change in differing}
    return None if any(key not in known or value is NOTHING for key, value in values.items()) else values


def _guests_differing(
    old: LabFile, new: LabFile, where: Mapping[str, str]
) -> Iterator[tuple[tuple[str, str], tuple[Change, ...]]]:
    """Say what is another of each guest that is in both files; of its ports themselves their own lines tell."""
    for name in (name for name in new.guests if name in old.guests):
        was, wanted = old.guests[name], new.guests[name]
        host = where.get(name, wanted.host)
        pairs = {
            "host": (host, wanted.host or (host if host in (None, *new.hosts) else "another")),
            "ports": tuple([_port_words(port) for port in guest.ports] for guest in (was, wanted)),
            "interfaces": (_on_networks(was), _on_networks(wanted)),
            "run": ([run.command for run in was.run], [run.command for run in wanted.run]),
            "routing": tuple(guest.routing.words if guest.routing else None for guest in (was, wanted)),
            "user_data": (was.user_data, wanted.user_data),
            "keys": (was.keys, wanted.keys),
            **{name: (getattr(was, name), getattr(wanted, name)) for name in ("kind", *GuestSettings.model_fields)},
        }
        yield ("guest", name), tuple(Change(what, a, b) for what, (a, b) in pairs.items() if a != b)


def _with_dependents(refs: set[Ref], before: Mapping[Ref, Resource], after: Mapping[Ref, Resource]) -> set[Ref]:
    """Add what is in both files, and cannot stay while these are removed."""
    needs = {
        ref: set(_needs(before[ref], before)) & set(_needs(after[ref], before)) for ref in before.keys() & after.keys()
    }
    found = set(refs)
    while more := {ref for ref, needed in needs.items() if needed & found} - found:
        found |= more
    return found & (before.keys() | after.keys())


def _needs(resource: Resource, before: Mapping[Ref, Resource]) -> Iterator[Ref]:
    """Name what a resource refers to, or is a part of; and what Neutron does not remove while it is there."""
    kind = KINDS[resource.ref.kind]
    if resource.parent:
        yield resource.parent
    for ref in refs(resource.attributes):
        yield ref
        if not kind.part_of:
            holding = {part.name for part in parts_of(ref.kind) if part.holds}
            yield from (other for other, part in before.items() if other.kind in holding and ref in _wholes(part))
    yield from (ref for ref in before if ref.kind in kind.after and not kind.part_of)


def _wholes(part: Resource) -> Collection[Ref]:
    """Name what a part may be of."""
    return (part.parent, *refs(part.attributes)) if part.parent else tuple(refs(part.attributes))


def _on_networks(guest: GuestFile) -> list[str]:
    """Say which of a guest's interfaces are on which networks, where they have names."""
    return [f"{port.device} on {_port_words(port.file)}" for port in guest.ports_of("") if port.device]


def _port_words(port: PortFile) -> str:
    """Name a port's network, and what its interface is made of where that is not what all are."""
    return port.network if port.nic == DEFAULT_NIC else f"{port.network} ({port.nic})"


def _keeps(guest: str, lab: LabFile) -> tuple[object, ...]:
    """Say what a guest keeps running."""
    file = lab.guests[guest]
    return file.routing, routers(lab).get(guest), [run.command for run in file.run if run.is_kept]


def _told(guest: str, lab: LabFile) -> tuple[str, dict[str, str]]:
    return lab.guests[guest].user_data, lab.guests[guest].keys
