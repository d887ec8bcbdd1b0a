"""What a lab has in Neutron of what its file wants: found by name and mark, made when it is not there."""

from __future__ import annotations

import threading
from collections.abc import Container, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType
from typing import Any

from fakevm.control.neutron import Neutron
from fakevm.control.neutron import Resource as Seen
from fakevm.errors import NotFound, Refused
from fakevm.model.resource import TAG, AddressOf, Elsewhere, Kind, Known, Project, Ref, Resource, known, refs, resolved

from .kinds import KINDS

# What can be marked in no other way is in a project that nothing else is in, also where Keystone knows others.
_PROJECT = "fakevm"
# Looks at once: its server has few processes.
_AT_ONCE = 4
NO_PROJECTS: Mapping[str, str] = MappingProxyType({})
# By what those that are marked are found.
_MARKS = {"tag": {"tags": TAG}, "description": {"description": TAG}, "project": {"project_id": _PROJECT}}


class Store:
    """The resources of a lab in Neutron; many threads may make some at once."""

    def __init__(self, neutron: Neutron, project: str, projects: Mapping[str, str] = NO_PROJECTS) -> None:
        """Look into a Neutron; ``project`` is the id of the one that is to have what is made.

        ``projects`` are the ids of all, by their names.
        """
        self._neutron = neutron
        self._project = project
        self._projects = projects
        self._lock = threading.Lock()
        self.seen: dict[Ref, Seen] = {}
        """What is there, as Neutron tells it."""
        self.answers: dict[Ref, Seen] = {}
        """What Neutron answered when something was made or changed."""
        self._along: set[Ref] = set()
        """Parts that Neutron has made along with a whole."""

    @property
    def ids(self) -> dict[Ref, str]:
        """The ids of what is there."""
        return {ref: str(seen["id"]) for ref, seen in list(self.seen.items()) if "id" in seen}

    @property
    def known(self) -> dict[Ref | AddressOf | Project, str]:
        """What can be put in the place of references to what is there."""
        return known(dict(self.seen)) | {Project(name): id_ for name, id_ in self._projects.items()}

    def load(self) -> None:
        """Look at all that is there: what is marked, its parts, and what Neutron made by itself."""
        self.seen = {}
        if not self._neutron.there:
            return
        labelled = [kind for kind in KINDS.values() if kind.label]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for kind, found in zip(labelled, pool.map(self._marked, labelled), strict=True):
                self.seen |= {Ref(kind.name, str(seen[kind.label])): seen for seen in found}
        for kind in labelled:
            for own in kind.given:
                self._find_given(Ref(kind.name, own))
        # All ids first: a group's rules may speak of others.
        for ref, seen in list(self.seen.items()):
            self._remember(ref, seen)
        for kind in KINDS.values():
            if kind.elsewhere:
                self._find_elsewhere(kind, kind.elsewhere)

    def make(self, wanted: Resource) -> bool:
        """Make a resource and mark it; False when it is there already. Raises Refused, Unreachable."""
        if wanted.ref in self.seen:
            return False
        kind = KINDS[wanted.ref.kind]
        self._find_needed([wanted])
        with self._lock:
            ids = self.known
        what = f"make {wanted.ref}"
        body = _resolved(what, wanted.attributes, ids)
        if kind.label:
            project = _PROJECT if kind.mark == "project" else self._project
            body |= {kind.label: wanted.ref.name, "project_id": project}
            body |= {"description": TAG} if kind.mark == "description" else {}
        path = kind.path.format(parent=ids[wanted.parent] if wanted.parent else "")
        made = self._find_made(kind, what, body) if kind.method == "GET" else self._post(kind, path, what, body)
        made = _identified(kind, made)
        if kind.label and kind.mark == "tag":
            # Tags of a QoS policy are at /policies, though it is at /qos/policies.
            mark = f"/{kind.path.rpartition('/')[2]}/{made['id']}/tags"
            self._neutron.send("PUT", mark, f"mark {wanted.ref}", {"tags": [TAG]})
        self._remember(wanted.ref, made | ({"parent": ids[wanted.parent]} if wanted.parent else {}))
        self.answers[wanted.ref] = made
        with self._lock:
            self._along |= {ref for ref, _ in self._parts(wanted.ref, made)}
        return True

    def delete_unwanted(self, wanted: Container[Ref]) -> None:
        """Delete what Neutron has made along with what was made here, and nobody wants. Raises Refused, Unreachable."""
        with self._lock:
            unwanted, self._along = [ref for ref in self._along if ref not in wanted], set()
        for ref in unwanted:
            self.delete(ref)

    def make_together(self, wanted: Sequence[Resource]) -> int:
        """Make parts of one whole in one request, which is answered in their order; returns how many were not there.

        Raises Refused: then none is made; Unreachable.
        """
        missing = [resource for resource in wanted if resource.ref not in self.seen]
        if len(missing) < 2:
            return sum(self.make(resource) for resource in missing)
        kind, parent = KINDS[missing[0].ref.kind], missing[0].parent
        assert parent
        self._find_needed(missing)
        with self._lock:
            ids = self.known
        what = f"make {len(missing)} {kind.plural} of {parent}"
        bodies = [_resolved(what, resource.attributes, ids) for resource in missing]
        path = kind.path.format(parent=ids[parent])
        made = self._neutron.send("POST", path, what, {kind.collection: bodies})[kind.collection]
        for resource, one in zip(missing, made, strict=True):
            self._remember(resource.ref, {**one, "parent": ids[parent]})
            self.answers[resource.ref] = one
        return len(missing)

    def change(self, wanted: Resource, attributes: dict[str, Any]) -> None:
        """Change attributes of a resource that is there. Raises Refused, Unreachable."""
        kind, ids, what = KINDS[wanted.ref.kind], self.known, f"change {wanted.ref}"
        path = kind.path.format(parent=ids[wanted.parent] if wanted.parent else "")
        if kind.emptied is None:
            path = f"{path}/{ids[wanted.ref]}"
        for key, value in attributes.items():
            if key in kind.members:
                self._change_members(wanted.ref, path, key, _resolved(what, value, ids))
        plain = {key: value for key, value in attributes.items() if key not in kind.members}
        for key in plain.keys() & kind.kept.keys():
            now = self._neutron.send("GET", path, f"look at {wanted.ref}")[kind.key]
            plain[key] = kind.kept[key](now[key], plain[key])
        beside = {kind.beside[key] for key in plain if key in kind.beside}
        plain |= {key: wanted.attributes[key] for key in sorted(beside & wanted.attributes.keys())}
        if plain:
            for key, inner in kind.cleared.items():
                if plain.get(key):
                    plain[key] = dict.fromkeys(_given(self.seen[wanted.ref].get(key), inner)) | plain[key]
            body = {kind.key: _resolved(what, plain, ids)}
            self.answers[wanted.ref] = self._neutron.send("PUT", path, what, body)[kind.key]

    def delete(self, ref: Ref) -> None:
        """Delete a resource that is there, or a part of one. Raises Refused: it is in use."""
        seen = self.seen[ref]
        kind = KINDS[ref.kind]
        what = f"delete {ref}"
        if kind.emptied is not None:
            path = kind.path.format(parent=seen["parent"])
            self._neutron.send("PUT", path, what, {kind.key: dict(kind.emptied)})
        elif kind.removed_by:
            path, key = kind.removed_by
            self._neutron.send("PUT", path.format(parent=seen["parent"]), what, {key: seen[key]})
        else:
            self._neutron.send("DELETE", f"{kind.path.format(parent=seen.get('parent', ''))}/{seen['id']}", what)
        with self._lock:
            del self.seen[ref]

    # -- within ----------------------------------------------------------------------------------------------

    def _find_needed(self, wanted: Iterable[Resource]) -> None:
        """Find what Neutron has made by itself meanwhile, with the project's first network or port."""
        for ref in {ref for resource in wanted for ref in refs(resource.attributes)}:
            if ref not in self.seen and ref.name in KINDS[ref.kind].given:
                self._find_given(ref)

    def _find_made(self, kind: Kind, what: str, attributes: dict[str, Any]) -> Seen:
        """Find what Neutron has made with the whole."""
        found = self._neutron.collection(kind.path, what, **attributes)
        if not found:
            raise NotFound(f"could not {what}: Neutron has made none with these attributes: {attributes}")
        return found[0]

    def _post(self, kind: Kind, path: str, what: str, body: dict[str, Any]) -> Seen:
        try:
            answer = self._neutron.send(kind.method, path, what, {kind.key: body} if kind.key else body)
            return dict(answer[kind.key]) if kind.key else answer
        except NotFound as exc:
            if not kind.extension or self._has(kind.extension):
                raise
            raise Refused(
                f"cannot {what}: the lab's Neutron has no {kind.plural}",
                hint=f"Its API lacks the extension {kind.extension}. A lab that is started from a file with "
                f"{kind.plural} has it, unless its release or backend does not: fakevm lab down, fakevm lab up FILE.",
            ) from exc

    def _has(self, extension: str) -> bool:
        found = self._neutron.collection("/extensions", "list the API's extensions")
        return extension in {seen["alias"] for seen in found}

    def _change_members(self, ref: Ref, path: str, key: str, wanted: list[Any]) -> None:
        """Add what is missing, then remove what is too much."""
        kind = KINDS[ref.kind]
        now = self._neutron.send("GET", path, f"look at {ref}")[kind.key]
        add, remove = kind.members[key]
        for action, items in (
            (add, [item for item in wanted if item not in now[key]]),
            (remove, [item for item in now[key] if item not in wanted]),
        ):
            if items:
                # An action of the API: nothing wraps what it is given.
                now = self._neutron.send("PUT", f"{path}/{action}", f"change {ref}", {key: items})[kind.key]
        self._remember(ref, now)
        self.answers[ref] = now

    def _marked(self, kind: Kind) -> list[Seen]:
        try:
            return self._neutron.collection(kind.path, f"list the lab's {kind.plural}", **_MARKS[kind.mark])
        except NotFound:
            # The lab's Neutron has no such extension: a backend may load other service plugins.
            return []

    def _remember(self, ref: Ref, seen: Seen) -> None:
        parts = {part: {**found, "parent": seen["id"]} for part, found in self._parts(ref, seen)}
        with self._lock:
            self.seen |= {ref: seen, **parts}

    def _parts(self, ref: Ref, seen: Seen) -> list[tuple[Ref, Any]]:
        """Find the parts that Neutron tells with the whole, called as the lab file does."""

        def naming(kind: str, id_: str) -> Ref:
            known = {own: other for other, own in self.ids.items()} | {str(seen["id"]): ref}
            return known.get(id_, Ref(kind, id_))

        return list(KINDS[ref.kind].parts(ref.name, seen, naming)) if "id" in seen else []

    def _find_given(self, ref: Ref) -> None:
        """Find what Neutron made by itself, if it is there yet."""
        found = self._neutron.collection(
            KINDS[ref.kind].path, f"find the {ref}", name=ref.name, project_id=self._project
        )
        for seen in found:
            self._remember(ref, seen)

    def _find_elsewhere(self, kind: Kind, where: Elsewhere) -> None:
        """Find parts that Neutron does not tell with the whole."""
        wholes = [seen for ref, seen in self.seen.items() if kind.part_of in ("", ref.kind)]
        if not wholes:
            return
        try:
            found = (
                self._of_each(kind, where, wholes)
                if where.of_each
                else self._neutron.collection(where.path, f"list the {kind.plural}", **where.filters)
            )
        except NotFound:
            # The lab's Neutron has no such extension.
            return
        names = {id_: name for name, id_ in self._projects.items()} | {id_: ref.name for ref, id_ in self.ids.items()}
        for name, seen in where.read(found, names):
            self.seen[Ref(kind.name, name)] = _identified(kind, seen)

    def _of_each(self, kind: Kind, where: Elsewhere, wholes: Iterable[Seen]) -> list[Seen]:
        """List the parts of each whole that says that it has some, or does not say it of any."""
        found: list[Seen] = []
        for whole in (seen for seen in wholes if seen.get(kind.collection) or not where.told):
            rows = self._neutron.collection(where.path.format(parent=whole["id"]), f"list {kind.plural}")
            found += [{**row, "parent": whole["id"]} for row in rows]
        return found


def _resolved(what: str, attributes: Any, ids: Known) -> Any:
    """Put ids and addresses in the place of references. Raises Refused: a port has no address (yet)."""
    try:
        return resolved(attributes, ids)
    except KeyError as exc:
        missing = exc.args[0]
        if not isinstance(missing, AddressOf):
            raise
        raise Refused(
            f"cannot {what}: Neutron gave the {missing.port} no address",
            hint="Of a routed network a port has one when its guest has a host, or when its fixed_ips ask for one.",
        ) from exc


def _identified(kind: Kind, seen: Mapping[str, Any]) -> Seen:
    """Say of what was seen by what the API knows it: not all have ids."""
    return {**seen, "id": seen[kind.identified_by]} if kind.identified_by in seen else dict(seen)


def _given(seen: Mapping[str, Any] | None, keys: Iterable[str]) -> list[str]:
    """Give those keys that have a value in what was seen."""
    return [key for key in keys if (seen or {}).get(key) is not None]
