"""Files of a lab: rendering and writing, secrets with mode 0600."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

Ini = Mapping[str, Mapping[str, object]]
Settings = dict[str, dict[str, object]]


def joined(*parts: Ini) -> Settings:
    """Put sections together; of an option that comes twice the later one counts."""
    found: Settings = {}
    for part in parts:
        for section, options in part.items():
            found[section] = found.get(section, {}) | dict(options)
    return found


def ini(sections: Ini) -> str:
    """Write sections of an oslo.config (or uwsgi) file.

    Booleans are written as true and false, sequences with commas, or each by itself (``Repeated``).
    """
    return "\n".join(
        f"[{section}]\n" + "".join(_lines(key, value) for key, value in options.items())
        for section, options in sections.items()
    )


class Repeated(tuple[str, ...]):
    """The values of an option that is given several times."""


def _lines(key: str, value: object) -> str:
    return "".join(f"{key} = {_value(one)}\n" for one in (value if isinstance(value, Repeated) else [value]))


def _value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return ",".join(map(str, value))
    return str(value)


def write(path: Path, text: str, mode: int = 0o600) -> None:
    """Write a file with its mode from the first byte on, and in one piece."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w") as file:
        file.write(text)
    fresh.replace(path)
