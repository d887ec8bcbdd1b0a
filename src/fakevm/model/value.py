"""The base of all values."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Value(BaseModel):
    """A frozen value that refuses unknown fields and travels as JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid")
