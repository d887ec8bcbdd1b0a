"""Reads a lab file: every error at once, each with its line and path and what is allowed there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from fakevm.errors import InvalidInput
from fakevm.model.labfile import LabFile

Location = tuple[int | str, ...]


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
    try:
        return LabFile.model_validate(_plain(tree))
    except ValidationError as exc:
        errors = sorted((_line(tree, error["loc"]), error) for error in _distinct(exc.errors()))
        lines = [f"{source}:{line}: {_describe(error)}" for line, error in errors]
        noun = "error" if len(lines) == 1 else "errors"
        raise InvalidInput(f"{len(lines)} {noun} in the lab file:\n" + "\n".join(lines)) from exc


def _distinct(found: Sequence[ErrorDetails]) -> list[Any]:
    class Sortable(dict[str, Any]):
        def __lt__(self, other: Mapping[str, Any]) -> bool:
            return str(self["loc"]) < str(other["loc"])

    return [Sortable(error) for error in found]


def _plain(node: Any) -> Any:
    """Leave ruamel's types behind, so that values are what YAML says they are."""
    if isinstance(node, Mapping):
        return {str(key): _plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_plain(value) for value in node]
    return node


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


def _describe(error: Mapping[str, Any]) -> str:
    location = tuple(part for part in error["loc"] if part != "[key]")
    path = ".".join(map(str, location)) or "the file"
    if error["type"] == "extra_forbidden":
        allowed = _fields(location[:-1])
        near = get_close_matches(str(location[-1]), allowed, n=1)
        meant = f" Did you mean {near[0]!r}?" if near else ""
        return f"{path}: unknown key.{meant} Allowed: {', '.join(allowed)}."
    text = error["msg"].removeprefix("Value error, ")
    given = f" (given: {error['input']!r})" if isinstance(error["input"], str | int | float | bool | list) else ""
    return f"{path}: {text}{given}"


def _fields(location: Location) -> list[str]:
    """Name the keys that are allowed at a location of the file."""
    model: Any = LabFile
    for part in location:
        if isinstance(model, type) and issubclass(model, BaseModel):
            model = model.model_fields[str(part)].annotation
        else:
            model = get_args(model)[-1]
        model = next((arg for arg in get_args(model) if isinstance(arg, type)), model) if _optional(model) else model
    return list(model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else []


def _optional(annotation: Any) -> bool:
    return type(None) in get_args(annotation)


def _kind(node: object) -> str:
    return "a list" if isinstance(node, list) else f"the word {node!r}"
