"""One lab file over many backends and releases of Neutron: the variants, and a lab for each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from fakevm import release
from fakevm.backend import base as backends
from fakevm.backend.base import Backend
from fakevm.errors import InvalidInput, LabFailed, LabUnfinished
from fakevm.model.lab import LabRecord
from fakevm.model.labfile import LabFile
from fakevm.model.labfile.reference import suggestion
from fakevm.model.labfile.release import TreeFile
from fakevm.progress import Progress

from . import ending, lifecycle, reading, registry, releases
from .settle.settling import Place, nowhere

AXES = ("backend", "release")
_LONGEST_NAME = 31


class Variant(NamedTuple):
    """A backend with a version of Neutron. ``refused`` says why they do not go together, if they do not."""

    backend: str
    version: str
    refused: str = ""

    @property
    def title(self) -> str:
        """What it is called in tables."""
        return f"{self.backend} {self.version}"


def axes(words: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Read words such as ``backend=ovs,ovn``. Raises InvalidInput."""
    found: dict[str, tuple[str, ...]] = {}
    for word in words:
        axis, equals, values = word.partition("=")
        given = tuple(dict.fromkeys(filter(None, values.split(","))))
        if axis not in AXES:
            raise InvalidInput(
                f"a matrix has no {axis!r}. {suggestion(axis, AXES)}", hint="Such as: --matrix backend=ovs,ovn"
            )
        if not equals or not given:
            raise InvalidInput(f"--matrix {axis}: which ones?", hint=f"Such as: --matrix {axis}=A,B")
        found[axis] = tuple(dict.fromkeys((*found.get(axis, ()), *given)))
    return found


def variants(lab: LabFile, wanted: Mapping[str, Sequence[str]]) -> list[Variant]:
    """List the variants of a lab file; an axis that is not ``wanted`` is as in the file.

    Where neither says which release, a backend that has no part in the default one gets the newest that it runs on.
    Raises NotFound when there is no such backend or release, InvalidInput when a backend runs with none.
    """
    if not lab.neutron:
        raise InvalidInput("a lab without Neutron (neutron: false) has no backends and releases to try")
    if isinstance(lab.release, TreeFile):
        if "release" in wanted:
            raise InvalidInput("the file's release is a source tree: there is no other to try it with")
        lab = releases.resolved(lab)
    asked = wanted.get("release") or ((lab.version(),) if "release" in lab.model_fields_set else ())
    versions = dict.fromkeys(release.resolve(name) for name in asked)
    named = {name: backends.load(name) for name in wanted.get("backend") or (lab.backend,)}
    return [
        Variant(name, version, _refusal(name, backend, version))
        for name, backend in named.items()
        for version in versions or [_newest(name, backend, lab)]
    ]


def _newest(name: str, backend: Backend, lab: LabFile) -> str:
    return release.resolve(releases.chosen(backend, lab.model_copy(update={"backend": name})).version())


def _refusal(name: str, backend: Backend, version: str) -> str:
    try:
        releases.refuse(backend, name, version)
    except InvalidInput as refused:
        return " ".join(str(refused).split())
    return ""


def lab_of(lab: LabFile, variant: Variant) -> LabFile:
    """Give the lab file of a variant, with a name of its own. Raises InvalidInput: it is none for this backend."""
    suffix = f"-{variant.backend}-{variant.version}".replace(".", "-").replace("_", "-").lower()
    name = lab.name[: max(1, _LONGEST_NAME - len(suffix))] + suffix
    changed: dict[str, Any] = {"name": name[:_LONGEST_NAME], "backend": variant.backend}
    if not isinstance(lab.release, TreeFile):
        changed["release"] = variant.version
    return reading.parse_mapping(lab.model_dump(exclude_unset=True) | changed, variant.title)


@contextmanager
def running(lab: LabFile, progress: Progress, timeout: float, place: Place = nowhere) -> Iterator[LabRecord]:
    """Run a lab for as long as the block lasts. Raises what ``lifecycle.up`` raises: the logs are kept then."""
    try:
        record = lifecycle.up(lab, progress, timeout=timeout, place=place)
    except LabUnfinished as unfinished:
        # Nobody goes on with one of many.
        lifecycle.fail(registry.root() / lab.name)
        logs = f"The logs: fakevm --lab {lab.name} lab logs"
        raise LabFailed(unfinished.what, hint=logs) from unfinished
    try:
        yield record
    finally:
        ending.remove(record.directory)
