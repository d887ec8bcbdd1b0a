"""One option, as its program knows it: how a value is written for it, and which values it takes."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any, NamedTuple

# oslo.config's Boolean.
_TRUE, _FALSE = ("true", "1", "on", "yes"), ("false", "0", "off", "no")
# Its own words for types, as its generator gives them.
_LIST, _DICT, _MULTIPLE = "list value", "dict value", "multi valued"
_WHOLE, _NUMBER = ("integer value", "port value"), "floating point value"
_MOST_NAMED = 12


def _anything(_text: str) -> bool:
    return True


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


_FORMS: Mapping[str, tuple[str, Callable[[str], bool]]] = {
    "boolean value": ("is true or false", lambda text: text.lower() in _TRUE + _FALSE),
    "IP address value": ("takes an IP address", _is_address),
}


class Option(NamedTuple):
    """An option; ``kind`` is what oslo.config calls its type, ``item`` that of a list's items, which have the limits.

    ``removal`` says why it will be removed, if it will.
    """

    section: str
    name: str
    kind: str = "string value"
    item: str = "string value"
    default: Any = None
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    secret: bool = False
    help: str = ""
    removal: str = ""

    def __str__(self) -> str:
        return f"[{self.section}] {self.name}"

    def lines(self, value: Any) -> list[str]:
        """Give the values that stand in a file for a value of a lab file: one, but for options that may be repeated.

        A list repeats such an option; for others its parts are joined with commas, as oslo.config reads lists.
        """
        parts = _parts(value)
        return parts if self.kind == _MULTIPLE else [",".join(parts)]

    def wrong(self, value: Any) -> str:
        """Say what is wrong with a value, or nothing."""
        if isinstance(value, Mapping | tuple) and self.kind not in (_LIST, _DICT, _MULTIPLE):
            return "takes one value"
        if any("\n" in part or part != part.strip() for part in _parts(value)):
            return "takes a line of text that neither begins nor ends with a space"
        if self.kind == _DICT:
            return "" if all(":" in part for part in _split(value)) else "takes names with values: {name: value}"
        kind = self.item if self.kind in (_LIST, _MULTIPLE) else self.kind
        texts = _split(value) if self.kind == _LIST else _parts(value)
        return next(filter(None, (self._no_such(kind, text) for text in texts)), "")

    def _no_such(self, kind: str, text: str) -> str:
        if self.choices:
            return self._not_chosen(text)
        if kind in (*_WHOLE, _NUMBER):
            return self._no_number(kind, text)
        words, fits = _FORMS.get(kind, ("", _anything))
        return "" if fits(text) else words

    def _not_chosen(self, text: str) -> str:
        if text.lower() in (choice.lower() for choice in self.choices):
            return ""
        near = get_close_matches(text, self.choices, n=1)
        meant = f"did you mean {near[0]!r}? " if near else ""
        return f"does not take {text!r}; {meant}it takes: {', '.join(self.choices[:_MOST_NAMED])}"

    def _no_number(self, kind: str, text: str) -> str:
        try:
            number = int(text) if kind in _WHOLE else float(text)
        except ValueError:
            return "takes a whole number" if kind in _WHOLE else "takes a number"
        if self.minimum is not None and number < self.minimum:
            return f"must be at least {self.minimum:g}"
        if self.maximum is not None and number > self.maximum:
            return f"must be at most {self.maximum:g}"
        return ""


def _parts(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        return [f"{name}:{plain(part)}" for name, part in value.items()]
    return list(map(plain, value)) if isinstance(value, tuple | list) else [plain(value)]


def _split(value: Any) -> list[str]:
    """Give the items that oslo.config will find in a list."""
    return [item.strip() for item in ",".join(_parts(value)).split(",") if item.strip()]


def is_true(value: Any) -> bool:
    """Tell whether a value is one that an option which is true or false takes for true."""
    return plain(value).lower() in _TRUE


def plain(value: Any) -> str:
    """Write one value as oslo.config reads it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
