"""Reads a lab file: every error at once, each with its line and path and what is allowed there."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from fakevm import release
from fakevm.backend import base as backends
from fakevm.errors import NotFound
from fakevm.link.carriers import CARRIERS
from fakevm.model.kind import GUEST_KIND_VARIABLE
from fakevm.model.labfile import LabFile, LinkEndFile, LinkFile, PortFile, known
from fakevm.model.labfile.generate import generated, place_of
from fakevm.model.labfile.host import DEFAULT_HOSTS, HostFile, count_of
from fakevm.model.labfile.known import Known
from fakevm.model.labfile.link import DIRECT
from fakevm.model.labfile.release import TreeFile
from fakevm.model.labfile.word import Name, fields_of
from fakevm.model.path import FOLDER
from fakevm.model.remark import Remark
from fakevm.names import NO_BACKEND

from . import bounded, form
from .problem import InvalidFile, Problem
from .wording import in_plain_words, shown

Location = tuple[int | str, ...]

_NOTHING = object()
_NONE: Mapping[str, str] = MappingProxyType({})
# More would not be read; each takes time to be put into words.
_MOST_ERRORS = 100
_FORMS = (PortFile.__name__, LinkEndFile.__name__, TreeFile.__name__)
_QUOTED = re.compile(r"'([^']+)'")


@dataclass(frozen=True)
class Written:
    """A lab file as it was read; ``instead`` are values of options that win over what stands in it."""

    lab: LabFile
    source: str
    tree: Mapping[str, Any]
    instead: Mapping[str, str]

    def place(self, remark: Remark) -> Problem:
        """Say where a part of the file stands."""
        if remark.at and remark.at[0] in self.instead:
            return Problem(_option(str(remark.at[0])), None, None, "", remark.what, remark.hint)
        at = _as_written(self.tree, remark.at)
        line, column = _place(self.tree, at) if self.source else (None, None)
        return Problem(self.source, line, column, ".".join(map(str, at)), remark.what, remark.hint)


def load(path: Path | None, **instead: str | None) -> Written:
    """Read a lab file, with options of the same names in the place of its keys, where given. Raises as ``read``.

    Without a path it is the empty file: the default lab. FAKEVM_GUEST_KIND wins over the file as such an option does.
    """
    instead = {"guest_kind": os.environ.get(GUEST_KIND_VARIABLE), **instead}
    source = str(path or "")
    tree = _tree(_text(path), source) if path else {}
    given = {key: value for key, value in instead.items() if value}
    # What comes through a pipe is nowhere.
    folder = path.absolute().parent if path and path.is_file() else Path.cwd()
    written = Written(parse_mapping(tree, source, given, folder), source, tree, given)
    return with_files(written, folder) if path else written


def with_files(written: Written, folder: Path) -> Written:
    """Read the files that a lab file names, relative to its folder, into it. Raises InvalidFile."""
    guests, problems = {}, []
    for name, guest in written.lab.guests.items():
        guests[name] = guest
        if guest.routing and guest.routing.router.file:
            path = folder / guest.routing.router.file
            try:
                routing = guest.routing.with_config(bounded.read_text(path))
                guests[name] = guest.model_copy(update={"routing": routing})
            except (OSError, UnicodeDecodeError) as exc:
                why = exc.strerror if isinstance(exc, OSError) else "it is not text in UTF-8"
                remark = Remark(f"cannot read {path}: {why}", ("guests", name, "routing", guest.routing.program))
                problems.append(written.place(remark))
    if problems:
        noun = "error" if len(problems) == 1 else "errors"
        raise InvalidFile(sorted(set(problems), key=_in_order), title=f"{len(problems)} {noun} in the lab file:")
    return replace(written, lab=written.lab.model_copy(update={"guests": guests}))


def read(path: Path) -> LabFile:
    """Read a lab file. Raises InvalidFile with all that is wrong, a line each: FILE:LINE: PATH: what."""
    return load(path).lab


def _text(path: Path) -> str:
    try:
        return bounded.read_text(path)
    except OSError as exc:
        raise _no_file(str(path), f"cannot read the lab file: {exc.strerror}") from exc
    except UnicodeDecodeError as exc:
        raise _no_file(str(path), "cannot read the lab file: it is not text in UTF-8") from exc


def parse(text: str, source: str) -> LabFile:
    """Read a lab file's text; ``source`` names it in errors. Raises InvalidFile."""
    return parse_mapping(_tree(text, source), source)


def _tree(text: str, source: str) -> Mapping[str, Any]:
    try:
        tree = bounded.load(text)
    except MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        place = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise _no_file(source, f"not YAML: {exc.problem or exc.context}", *place) from exc
    except YAMLError as exc:
        raise _no_file(source, f"not YAML: {' '.join(str(exc).split())}") from exc
    if tree is None:
        tree = {}
    if not isinstance(tree, Mapping):
        raise _no_file(source, f"a lab file is a mapping of keys such as 'hosts', not {_kind(tree)}", 1, 1)
    return tree


def parse_mapping(
    tree: Mapping[str, Any], source: str, instead: Mapping[str, str] = _NONE, folder: Path | None = None
) -> LabFile:
    """Check a lab file's mapping, which knows its lines when ruamel made it. Raises InvalidFile.

    ``instead`` are keys, and values of options that win over them; ``folder`` is where its paths begin.
    """
    plain = _plain(tree) | instead
    whole = generated(plain)
    context = {**_known(whole), FOLDER: folder}
    try:
        return form.of(whole).model_validate(whole, context=context)
    except ValidationError as exc:
        errors = exc.errors(include_url=False)[:_MOST_ERRORS]
        for error in errors:
            error["loc"] = _as_written(plain, error["loc"])
        # What is wrong with hosts that are counted is so with each of them.
        found = sorted({_problem(tree, plain, error, source, instead) for error in errors}, key=_in_order)
        noun = "error" if len(found) == 1 else "errors"
        count = f"{len(found)} {noun}" if exc.error_count() <= _MOST_ERRORS else f"the first {len(found)} errors"
        raise InvalidFile(found, title=f"{count} in the lab file:") from exc


def link(lab: LabFile, name: str, given: Mapping[str, Any]) -> LinkFile:
    """Read a link that is to come to a lab. Raises InvalidFile."""
    tree = lab.model_dump(mode="json", by_alias=True)
    tree["links"] |= {name: given}
    try:
        read_ = TypeAdapter(dict[Name, LinkFile]).validate_python({name: given}, context=_known(tree))
    except ValidationError as exc:
        errors: list[ErrorDetails] = [
            {**error, "loc": ("links", *error["loc"])} for error in exc.errors(include_url=False)
        ]
        raise InvalidFile([_problem(tree, tree, error, "", {}) for error in errors]) from exc
    return read_[name]


def _no_file(source: str, what: str, line: int | None = None, column: int | None = None) -> InvalidFile:
    return InvalidFile([Problem(source, line, column, "", what)])


def _problem(tree: Any, plain: Any, error: ErrorDetails, source: str, instead: Mapping[str, str]) -> Problem:
    location = _location(plain, error["loc"])
    if location and location[0] in instead:
        return Problem(_option(str(location[0])), None, None, "", *_describe(plain, error))
    path = ".".join(map(str, location))
    return Problem(source, *_place(tree, location), path or "the file", *_describe(plain, error))


def _option(key: str) -> str:
    """Name what wins over a key of the file, as users write it."""
    return GUEST_KIND_VARIABLE if key == "guest_kind" else f"--{key}"


def _in_order(problem: Problem) -> tuple[int, str, str]:
    return problem.line or 0, problem.path, problem.message


def _known(tree: Mapping[str, Any]) -> Known:
    """Name what a file may refer to, in it or not."""
    found = known(tree, _default_hosts(tree)) | _installed()
    if tree.get("neutron") is False:
        found["backend"] |= {NO_BACKEND}
    if "checks" in tree:
        found["program"] = form.programs()
    return found


def _default_hosts(tree: Mapping[str, Any]) -> Mapping[str, HostFile]:
    """Give the hosts of a file that names none."""
    chosen = NO_BACKEND if tree.get("neutron") is False else tree.get("backend")
    if "hosts" in tree or chosen is None:
        return DEFAULT_HOSTS
    try:
        return backends.load(str(chosen)).default_hosts
    except NotFound:
        return DEFAULT_HOSTS


def _installed() -> Known:
    """Name what a file may refer to and is never in it."""
    versions = release.shipped()
    return {
        "backend": frozenset(backends.installed_names()),
        "carrier": frozenset((DIRECT, *CARRIERS)),
        "release": frozenset({*versions, *map(release.series, versions)}),
    }


def _plain(node: Any) -> Any:
    """Leave ruamel's types behind, so that values are what YAML says they are."""
    if isinstance(node, Mapping):
        return {str(key): _plain(value) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [_plain(value) for value in node]
    return node


def _as_written(tree: Any, location: Location) -> Location:
    """Give where in the file that is said which no entry of its own says: of hosts that are counted, of guests that
    are generated.
    """
    location = place_of(tree, location)
    hosts = _child(tree, location[0]) if location[:1] == ("hosts",) else None
    name = str(location[1]) if isinstance(hosts, Mapping) and len(location) > 1 else ""
    if not isinstance(hosts, Mapping) or not name or name in hosts:
        return location
    entry = next((entry for entry in hosts if name.startswith(entry) and count_of(hosts[entry])), name)
    return ("hosts", entry, *location[2:])


def _location(tree: Any, location: Location) -> Location:
    """Leave out of a location what is no part of the file: which of several forms pydantic took a value for."""
    no_keys = ("[key]", *_FORMS)
    found: list[int | str] = []
    node = tree
    for at, part in enumerate(location):
        here = _child(node, part)
        if here is not _NOTHING:
            node = here
            found.append(part)
        elif at == len(location) - 1 and isinstance(node, Mapping) and part not in (*no_keys, node.get("kind")):
            found.append(part)
    return tuple(found)


def _child(node: Any, part: int | str) -> Any:
    if isinstance(node, Mapping):
        return node.get(str(part), _NOTHING)
    if isinstance(node, list) and isinstance(part, int) and part < len(node):
        return node[part]
    return _NOTHING


def _place(tree: Any, location: Location) -> tuple[int, int]:
    """Find the line and column (from 1) of the innermost part of a location that is in the file."""
    place = (0, 0)
    node = tree
    for part in location:
        marks = getattr(node, "lc", None)
        try:
            if isinstance(node, Mapping) and part in node:
                place = marks.key(part) if marks else place
            elif isinstance(node, list) and isinstance(part, int):
                place = marks.item(part) if marks else place
            else:
                break
            node = node[part]
        except (KeyError, IndexError, TypeError):
            break
    return place[0] + 1, place[1] + 1


def _describe(tree: Any, error: ErrorDetails) -> tuple[str, str]:
    """Say what is wrong, and what may be there instead, if that can be said."""
    location = _location(tree, error["loc"])
    if error["type"] == "extra_forbidden":
        return "unknown key", _allowed(str(location[-1]), _fields(error["loc"][:-1])).removesuffix(".")
    given = error["input"]
    text, _, hint = in_plain_words(error).partition(". ")
    word = error.get("ctx", {}).get("tag", given)
    if isinstance(word, str) and error["type"] in ("literal_error", "union_tag_invalid"):
        allowed = [quoted for quoted in _QUOTED.findall(str(error.get("ctx"))) if quoted != word]
        near = get_close_matches(word, allowed, n=1)
        hint = " ".join(filter(None, (f"Did you mean {near[0]!r}?" if near else "", hint)))
    is_said = isinstance(given, str) and repr(given) in text
    if isinstance(given, str | int | float | bool | list) and not is_said:
        text += f" (given: {shown(given)})"
    return text, hint


def _allowed(word: str, fields: list[str]) -> str:
    near = get_close_matches(word, fields, n=1)
    meant = f"Did you mean {near[0]!r}? " if near else ""
    return f"{meant}Allowed: {', '.join(fields)}."


def _fields(location: Location) -> list[str]:
    """Name the keys that are allowed at a location, as pydantic knows it."""
    kind: Any = form.whole()
    for part in location:
        kind = _step(kind, part)
    return list(fields_of(kind)) if isinstance(kind, type) and issubclass(kind, BaseModel) else []


def _step(kind: Any, part: int | str) -> Any:
    """Give the type of a part of a value of a type."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        field = fields_of(kind).get(str(part))
        return _inner(field.annotation) if field else None
    if get_origin(kind) in (Union, UnionType):
        # One of several models: the part is not a key, but says which.
        return next((m for m in map(_inner, get_args(kind)) if _is_called(m, part)), None)
    return _inner(get_args(kind)[0 if get_origin(kind) is tuple else -1]) if get_args(kind) else None


def _is_called(model: Any, part: int | str) -> bool:
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        return False
    kind = fields_of(model).get("kind")
    return part == model.__name__ or (kind is not None and part in get_args(kind.annotation))


def _inner(kind: Any) -> Any:
    """Take off what says nothing of the type: Annotated, or None."""
    if get_origin(kind) is Annotated:
        return _inner(get_args(kind)[0])
    if type(None) in get_args(kind):
        return _inner(next(arg for arg in get_args(kind) if arg is not type(None)))
    return kind


def _kind(node: object) -> str:
    return "a list" if isinstance(node, list) else f"the word {shown(node)}" if isinstance(node, str) else "a value"
