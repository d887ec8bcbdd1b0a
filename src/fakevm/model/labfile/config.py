"""Options of Neutron's programs: program, section, option, as in the programs' own files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import PlainValidator, WithJsonSchema

_SCALAR = {"type": ["string", "number", "boolean"]}


def _value(given: Any) -> Any:
    """Take what can be written into a file: one value, a list of such values, or names with such values."""
    if isinstance(given, bool | int | float | str):
        return given
    if isinstance(given, list | tuple):
        return tuple(map(_one, given))
    if isinstance(given, Mapping):
        return {str(key): _one(value) for key, value in given.items()}
    raise ValueError("a value is expected, a list of values, or names with values")


def _one(given: Any) -> Any:
    if isinstance(given, bool | int | float | str):
        return given
    raise ValueError("a list of plain values is expected, or names with plain values")


OptionValue = Annotated[
    Any,
    PlainValidator(_value),
    WithJsonSchema(
        {"anyOf": [_SCALAR, {"type": "array", "items": _SCALAR}, {"type": "object", "additionalProperties": _SCALAR}]}
    ),
]
# Section → option → value.
Sections = dict[str, dict[str, OptionValue]]
# Program → section → option → value.
Config = dict[str, Sections]
