"""Reads a lab file: every error at once, each with its line and path and what is allowed there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from fakevm import release
from fakevm.backend import base as backends
from fakevm.errors import InvalidInput
from fakevm.model.labfile import LabFile, known
from fakevm.model.labfile.host import count_of
from fakevm.model.labfile.known import Known
from fakevm.model.labfile.word import fields_of

Location = tuple[int | str, ...]

_NOTHING = object()
_PLAIN_WORDS = {
    "dict_type": "keys with values are expected",
    "model_type": "keys with values are expected",
    "model_attributes_type": "keys with values are expected",
    "missing": "must be given",
    "union_tag_not_found": "kind must be given",
}
_QUOTED = re.compile(r"'([^']+)'")


def read(path: Path) -> LabFile:
    """Read a lab file. Raises InvalidInput with all that is wrong, a line each: FILE:LINE: PATH: what."""
    try:
        text = path.read_text()
    except OSError as exc:
        raise InvalidInput(f"cannot read the lab file {path}: {exc.strerror}") from exc
    except UnicodeDecodeError as exc:
        raise InvalidInput(f"cannot read the lab file {path}: it is not text in UTF-8") from exc
    return parse(text, str(path))


def parse(text: str, source: str) -> LabFile:
    """Read a lab file's text; ``source`` names it in errors. Raises InvalidInput."""
    try:
        tree = YAML(typ="rt").load(text)
    except MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        line = mark.line + 1 if mark else 1
        raise InvalidInput(f"{source}:{line}: not YAML: {exc.problem or exc.context}") from exc
    except YAMLError as exc:
        raise InvalidInput(f"{source}: not YAML: {' '.join(str(exc).split())}") from exc
    if tree is None:
        tree = {}
    if not isinstance(tree, Mapping):
        raise InvalidInput(f"{source}:1: a lab file is a mapping of keys such as 'hosts', not {_kind(tree)}")
    return parse_mapping(tree, source)


def parse_mapping(tree: Mapping[str, Any], source: str) -> LabFile:
    """Check a lab file's mapping, which knows its lines when ruamel made it. Raises InvalidInput."""
    plain = _plain(tree)
    try:
        return LabFile.model_validate(plain, context=known(plain) | _installed())
    except ValidationError as exc:
        errors = exc.errors()
        for error in errors:
            error["loc"] = _as_written(plain, error["loc"])
        # What is wrong with hosts that are counted is so with each of them.
        found = sorted({(_line(tree, _location(plain, e["loc"])), str(e["loc"]), _describe(plain, e)) for e in errors})
        lines = [f"{source}:{line}: {words}" for line, _, words in found]
        noun = "error" if len(lines) == 1 else "errors"
        raise InvalidInput(f"{len(lines)} {noun} in the lab file:\n" + "\n".join(lines)) from exc


def _installed() -> Known:
    """Name what a file may refer to and is not in it."""
    versions = release.shipped()
    return {
        "backend": frozenset(backends.installed_names()),
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
    """Give the location of a host that is counted as that of the entry which counts it."""
    hosts = _child(tree, location[0]) if location[:1] == ("hosts",) else None
    name = str(location[1]) if isinstance(hosts, Mapping) and len(location) > 1 else ""
    if not isinstance(hosts, Mapping) or not name or name in hosts:
        return location
    entry = next((entry for entry in hosts if name.startswith(entry) and count_of(hosts[entry])), name)
    return ("hosts", entry, *location[2:])


def _location(tree: Any, location: Location) -> Location:
    """Leave out of a location what is no part of the file: which of several forms pydantic took a value for."""
    found: list[int | str] = []
    node = tree
    for at, part in enumerate(location):
        here = _child(node, part)
        if here is not _NOTHING:
            node = here
            found.append(part)
        elif at == len(location) - 1 and isinstance(node, Mapping) and part not in ("[key]", node.get("kind")):
            found.append(part)
    return tuple(found)


def _child(node: Any, part: int | str) -> Any:
    if isinstance(node, Mapping):
        return node.get(str(part), _NOTHING)
    if isinstance(node, list) and isinstance(part, int) and part < len(node):
        return node[part]
    return _NOTHING


def _line(tree: Any, location: Location) -> int:
    """Find the line (from 1) of the innermost part of a location that is in the file."""
    line = 1
    node = tree
    for part in location:
        marks = getattr(node, "lc", None)
        try:
            if isinstance(node, Mapping) and part in node:
                line = marks.key(part)[0] + 1 if marks else line
                node = node[part]
            elif isinstance(node, list) and isinstance(part, int):
                line = marks.item(part)[0] + 1 if marks else line
                node = node[part]
            else:
                break
        except (KeyError, IndexError, TypeError):
            break
    return line


def _describe(tree: Any, error: ErrorDetails) -> str:
    location = _location(tree, error["loc"])
    path = ".".join(map(str, location)) or "the file"
    if error["type"] == "extra_forbidden":
        return f"{path}: unknown key. {_allowed(str(location[-1]), _fields(error['loc'][:-1]))}"
    given = error["input"]
    text = _in_plain_words(error)
    word = error.get("ctx", {}).get("tag", given)
    if isinstance(word, str) and error["type"] in ("literal_error", "union_tag_invalid"):
        allowed = [quoted for quoted in _QUOTED.findall(str(error.get("ctx"))) if quoted != word]
        near = get_close_matches(word, allowed, n=1)
        text += f". Did you mean {near[0]!r}?" if near else ""
    return f"{path}: {text}" + (f" (given: {given!r})" if isinstance(given, str | int | float | bool | list) else "")


def _in_plain_words(error: ErrorDetails) -> str:
    """Say what pydantic says, in the words of YAML rather than of Python."""
    kind, given, context = error["type"], error["input"], error.get("ctx", {})
    if kind in ("tuple_type", "list_type"):
        return "a list is expected" + (f": [{given}]" if isinstance(given, str | int) else "")
    if kind == "string_type":
        return "a word is expected" + (f': "{given}"' if isinstance(given, int | float) else "")
    if kind == "union_tag_invalid":
        known = str(context["expected_tags"]).replace("'", "")
        return f"there is no kind {context['tag']!r}. There are: {known}"
    return _PLAIN_WORDS.get(kind) or error["msg"].removeprefix("Value error, ")


def _allowed(word: str, fields: list[str]) -> str:
    near = get_close_matches(word, fields, n=1)
    meant = f"Did you mean {near[0]!r}? " if near else ""
    return f"{meant}Allowed: {', '.join(fields)}."


def _fields(location: Location) -> list[str]:
    """Name the keys that are allowed at a location, as pydantic knows it."""
    kind: Any = LabFile
    for part in location:
        kind = _step(kind, part)
    return list(fields_of(kind)) if isinstance(kind, type) and issubclass(kind, BaseModel) else []


def _step(kind: Any, part: int | str) -> Any:
    """Give the type of a part of a value of a type."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        field = fields_of(kind).get(str(part))
        return _inner(field.annotation) if field else None
    if isinstance(kind, UnionType):
        # One of several models: the part is not a key, but says which.
        return next((m for m in get_args(kind) if part in get_args(fields_of(m)["kind"].annotation)), None)
    return _inner(get_args(kind)[0 if get_origin(kind) is tuple else -1]) if get_args(kind) else None


def _inner(kind: Any) -> Any:
    """Take off what says nothing of the type: Annotated, or None."""
    if get_origin(kind) is Annotated:
        return _inner(get_args(kind)[0])
    if type(None) in get_args(kind):
        return _inner(next(arg for arg in get_args(kind) if arg is not type(None)))
    return kind


def _kind(node: object) -> str:
    return "a list" if isinstance(node, list) else f"the word {node!r}"
