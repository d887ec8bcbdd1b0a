"""Names of Neutron releases: a version, such as 28.0.2, or a series of OpenStack, such as 2026.1."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, ValidationInfo


def _as_written(given: Any) -> Any:
    """Take 2026.1 without quotes, which YAML reads as a number."""
    return str(given) if isinstance(given, float) else given


def _is_known(name: str, info: ValidationInfo) -> str:
    """Compare a release with those that pydantic's context has, if any; all are named, as no number is like another."""
    known = (info.context or {}).get("release")
    if known and name not in known:
        raise ValueError(f"there is no release {name!r}. There are: {', '.join(sorted(known))}.")
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)*", name):
        raise ValueError("expected a version such as 28.0.2, or a series such as 2026.1")
    return name


ReleaseName = Annotated[
    str,
    AfterValidator(_is_known),
    BeforeValidator(_as_written, json_schema_input_type=str | float),
]
