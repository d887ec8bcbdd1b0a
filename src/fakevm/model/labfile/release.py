"""Names of Neutron releases: a version, such as 28.0.2, or a series of OpenStack, such as 2026.1."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, StringConstraints


def _as_written(given: Any) -> Any:
    """Take 2026.1 without quotes, which YAML reads as a number."""
    return str(given) if isinstance(given, float) else given


ReleaseName = Annotated[
    str,
    StringConstraints(pattern=r"^\d+(\.\d+)*$"),
    BeforeValidator(_as_written, json_schema_input_type=str | float),
]
