"""The one road from a lab file as written to what will be made: up, apply, validate and matrices all take it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from fakevm import release
from fakevm.backend import base as backends
from fakevm.backend.base import Backend
from fakevm.errors import InvalidInput
from fakevm.lab import planning, projects, releases
from fakevm.lab.config import checking
from fakevm.lab.features import reduction
from fakevm.lab.problem import InvalidFile, Problem
from fakevm.lab.services import loading
from fakevm.model.feature import Feature
from fakevm.model.labfile import LabFile
from fakevm.model.labfile.release import TreeFile
from fakevm.model.plan import LabPlan
from fakevm.model.remark import Remark

from . import (
    choices,
    compute_api,
    gaps,
    images,
    impairments,
    kinds,
    links,
    names,
    networks,
    nics,
    ports,
    quotas,
    reach,
    routers,
    routing,
    types,
    ways,
    without_neutron,
    zones,
)


@dataclass(frozen=True)
class Settled:
    """A lab file in its backend's words, with every default, without what the backend lacks; nothing is wrong with it.

    ``plan`` is what will be made, but for where (``planning.placed``). ``left_out`` names what will not be made, by the
    feature that the backend lacks for it; ``notes`` say that and whatever else will not be as the file says.
    """

    lab: LabFile
    backend: Backend
    plan: LabPlan
    left_out: Mapping[Feature, Sequence[str]]
    notes: tuple[Remark, ...]


# Makes a problem of a remark: with the line of the file, if there is one.
Place = Callable[[Remark], Problem]


def nowhere(remark: Remark) -> Problem:
    """Tell a remark on a lab that no file describes."""
    return Problem("", None, None, remark.path, remark.what, remark.hint)


def settle(lab: LabFile, *, kernel_datapath: bool, place: Place = nowhere, runs: bool = False) -> Settled:
    """Go the whole way, without touching anything. ``place`` says where in the file something is.

    ``runs``: there is such a lab already, of which its file does not tell all.

    Raises InvalidFile with all that is wrong, NotFound: no such backend, CommandFailed: a release that is installed
    does not say which options it knows.
    """
    if wrong := list(without_neutron.wrong(lab)):
        # What else is wrong with them does not matter.
        raise refusal(wrong, place)
    backend = backends.load(lab.backend)
    try:
        completed = planning.completed(lab, backend)
        reduced = reduction.without(completed, backend.lacks)
        plan = planning.make_plan(reduced.lab, Path(), _venvs(completed), kernel_datapath=kernel_datapath)
    except InvalidInput as refused:
        # Without a plan nobody knows what else would be wrong.
        raise refusal([_of(refused, lab)], place) from refused
    wrong = list(_wrong(reduced.lab, lab, plan, backend))
    if not runs:
        # Administrators give projects other quotas.
        wrong += quotas.wrong(reduced.lab)
    if wrong:
        raise refusal(wrong, place)
    own = backend.gaps(reduced.lab, kernel_datapath=kernel_datapath)
    notes = chain(
        _release(lab, completed),
        _trees(lab),
        map(Remark, reduction.words(reduced, lab.backend, backend.lacks)),
        _idle(plan, backend),
        (gap if isinstance(gap, Remark) else Remark(gap) for gap in own),
        gaps.found(reduced.lab, routed_by_agents=backend.routed_by_agents),
        checking.notes(reduced.lab, plan, backend),
    )
    return Settled(reduced.lab, backend, plan, reduced.left_out, tuple(notes))


def _venvs(lab: LabFile) -> dict[str, Path]:
    """Give each release its environment, if it has one: nothing is installed for a look at a file."""
    return {name: release.find(name) or Path() for name in releases.of(lab)}


def _wrong(lab: LabFile, written: LabFile, plan: LabPlan, backend: Backend) -> Iterator[Remark]:
    """Find what the backend refuses, and what Neutron would refuse one after another once it runs."""
    try:
        backend.check(plan)
    except InvalidInput as refused:
        yield _of(refused, written)
    if lab.datapath == "userspace" and not backend.open_vswitch:
        yield Remark(f"'userspace' is Open vSwitch's, and the backend {lab.backend} has none", ("datapath",))
    yield from names.wrong(lab, written)
    yield from links.wrong(written)
    yield from ways.wrong(written)
    yield from impairments.wrong(written)
    yield from kinds.wrong(written)
    yield from images.wrong(written)
    yield from routing.wrong(written)
    yield from loading.wrong(lab, backend)
    yield from projects.wrong(lab)
    yield from compute_api.wrong(lab)
    yield from checking.wrong(lab, plan, backend)
    known = types.of(backend, plan)
    yield from networks.wrong(lab, known)
    yield from ports.wrong(lab, known)
    yield from nics.wrong(lab, backend, plan, known)
    if backend.routed_by_agents:
        yield from routers.unserved(lab)
    yield from reach.wrong(lab, routed_by_agents=backend.routed_by_agents)
    yield from routers.wrong(lab)
    yield from choices.wrong(lab)
    yield from zones.wrong(lab, backend)
    for key, name, resource in lab.resources():
        yield from (remark._replace(at=(key, name, *remark.at)) for remark in resource.wrong(name))


def refusal(remarks: Iterable[Remark], place: Place) -> InvalidFile:
    """Make the error that says all that is wrong, in the order of the file."""
    # What is wrong with hosts that are counted is so with each of them.
    found = sorted(set(map(place, remarks)), key=lambda problem: (problem.line or 0, problem.path, problem.message))
    return InvalidFile(found, title=f"{len(found)} error{'' if len(found) == 1 else 's'} in the lab file:")


def _of(refused: InvalidInput, written: LabFile) -> Remark:
    at = refused.at
    if at == ("firewall",) and "firewall" not in written.model_fields_set:
        # Then it is a host's own.
        at = next((("hosts", name, "firewall") for name, host in written.hosts.items() if host.firewall), at)
    return Remark(refused.what, at, refused.hint)


# -- notes -------------------------------------------------------------------------------------------------------


def _release(lab: LabFile, completed: LabFile) -> Iterator[Remark]:
    if lab.neutron and "release" not in lab.model_fields_set and completed.release != release.resolve(lab.version()):
        what = f"Neutron {releases.named(completed.version())}: the newest that {lab.backend} runs with"
        yield Remark(what, ("backend",))


def _trees(lab: LabFile) -> Iterator[Remark]:
    """Say what a tree runs with where the file leaves it open."""
    hosts = ((("hosts", name, "release"), host.release) for name, host in lab.hosts.items())
    for at, written in ((("release",), lab.release), *hosts):
        if isinstance(written, TreeFile) and not written.like:
            yield Remark(releases.why(written), at)


def _idle(plan: LabPlan, backend: Backend) -> Iterator[Remark]:
    for host in plan.hosts:
        for role in sorted(set(host.roles) - backend.roles(host)):
            what = f"{host.name}: the role {role} does nothing with {plan.backend}: {backend.idle_roles[role]}"
            yield Remark(what, ("hosts", host.name, "roles"))
