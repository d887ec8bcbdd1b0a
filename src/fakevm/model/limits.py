"""What a guest may have of its host's memory and processors, at most."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from .value import Value

_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
# A shell has no room in less.
_LEAST_MEMORY, _MOST_MEMORY = 4 << 20, 1 << 50


def _bytes(given: Any) -> Any:
    if not isinstance(given, str):
        return given
    match = re.fullmatch(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)\s*([kmgt]?)(?:i?b)?", given.strip(), re.IGNORECASE)
    if not match:
        raise ValueError("expected an amount of memory such as 256M or 1G")
    return int(float(match[1]) * _UNITS[match[2].lower()])


class Limits(Value):
    """The most that all processes of a guest may have together; 0: no limit. ``memory`` is in bytes."""

    memory: Annotated[int, BeforeValidator(_bytes, json_schema_input_type=str | int)] = Field(
        default=0, description="Bytes, or with a unit: `256M`, `1G` (of 1024)."
    )
    cpus: float = Field(default=0.0, description="Processors: `0.5` is half the time of one.")

    @model_validator(mode="after")
    def _possible(self) -> Limits:
        if self.memory and not _LEAST_MEMORY <= self.memory <= _MOST_MEMORY:
            raise ValueError(f"memory is {self.memory} bytes, and must be 4M at least, and 1024T at most")
        # The kernel gives processors by the millisecond of a tenth of a second (kernel/sched/core.c).
        if self.cpus and not 0.01 <= self.cpus <= 4096:
            raise ValueError(f"cpus is {self.cpus:g}, and must be from 0.01 to 4096")
        return self

    @property
    def named(self) -> dict[str, float]:
        """What of it is limited, by the names of the kernel's controllers."""
        return {name: value for name, value in (("memory", self.memory), ("cpu", self.cpus)) if value}
