"""What pydantic finds wrong, in the words of a lab file's author: none of its own are shown.

Each kind of error that the models of lab files can give has its words here; a test tries wrong values for every key.
"""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Mapping
from typing import Any

from pydantic_core import ErrorDetails

from fakevm.model.labfile.word import FORMS

_MAPPING = "keys with values are expected"
_WHOLE = "a whole number is expected"
_NUMBER = "a number is expected"
_PLAIN: dict[str, str] = {
    "dict_type": _MAPPING,
    "model_type": _MAPPING,
    "model_attributes_type": _MAPPING,
    "mapping_type": _MAPPING,
    "missing": "must be given",
    "union_tag_not_found": "kind must be given",
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_from_float": _WHOLE,
    "int_parsing_size": _WHOLE,
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "finite_number": "a number that has an end is expected",
    "bool_type": "true or false is expected",
    "bool_parsing": "true or false is expected",
    "string_unicode": "text is expected, and this is not text in Unicode",
}
_WITH_CONTEXT: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "greater_than": lambda limits: f"must be more than {figure(limits['gt'])}",
    "greater_than_equal": lambda limits: f"must be at least {figure(limits['ge'])}",
    "less_than": lambda limits: f"must be less than {figure(limits['lt'])}",
    "less_than_equal": lambda limits: f"must be at most {figure(limits['le'])}",
    "literal_error": lambda limits: f"must be {limits['expected']}",
    "string_pattern_mismatch": lambda limits: FORMS.get(limits["pattern"], f"must match {limits['pattern']}"),
    "string_too_short": lambda limits: "must not be empty",
    "string_too_long": lambda limits: f"must not have more than {limits['max_length']} characters",
    "too_short": lambda limits: f"must have at least {limits['min_length']} values",
    "too_long": lambda limits: f"must not have more than {limits['max_length']} values",
    "value_error": lambda limits: str(limits["error"]),
}


def figure(number: float) -> float:
    """Give a number as people write it: 2147483647, not 2.14748e+09 nor 2147483647.0."""
    return int(number) if isinstance(number, float) and number.is_integer() else number


def in_plain_words(error: ErrorDetails) -> str:
    """Say what is wrong with a value."""
    kind, given, context = error["type"], error["input"], error.get("ctx", {})
    if kind in ("tuple_type", "list_type"):
        return "a list is expected" + (
            f": [{shown(given)[1:-1] if isinstance(given, str) else given}]" if isinstance(given, str | int) else ""
        )
    if kind == "string_type":
        return "a word is expected" + (f': "{given}"' if isinstance(given, int | float) else "")
    if kind == "union_tag_invalid":
        known = str(context["expected_tags"]).replace("'", "")
        return f"there is no kind {shown(context['tag'])}. There are: {known}"
    if kind in _WITH_CONTEXT:
        return _WITH_CONTEXT[kind](context)
    return _PLAIN.get(kind, "something else is expected")


def shown(value: object) -> str:
    """Write a value as it may stand in a file, shortened where it is long."""
    short = reprlib.Repr()
    short.maxstring = short.maxother = short.maxlong = 80
    return short.repr(figure(value) if isinstance(value, float) else value)
