"""A line of what ``lab apply`` does, and what is another then."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from fakevm.model.resource import AddressOf, Ref


class Change(NamedTuple):
    """An attribute that is another: what it is called, and what it was and is to be. None: nothing was said of it."""

    what: str
    old: Any
    new: Any

    def __str__(self) -> str:
        return f"{self.what}: {words(self.old)} → {words(self.new)}"


class Step(NamedTuple):
    """What is done to what. Of what is replaced or restarted ``changes`` says why; nothing: others need it."""

    action: str
    kind: str
    name: str
    changes: tuple[Change, ...] = ()


def plain(value: Any) -> Any:
    """Put names in the place of references."""
    if isinstance(value, Ref):
        return value.name
    if isinstance(value, AddressOf):
        return str(value)
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def words(value: Any) -> str:
    """Write a value for people, as a lab file would have it."""
    if value is None or value in ("", [], {}):
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {words(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(f"({words(item)})" if isinstance(item, Mapping) else words(item) for item in value)
    return str(value)
