"""Links between guests."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field

from .reference import EndRef, no_such
from .word import Mtu, WordValue

CARRIERS = ("veth",)
"""What can carry a link's frames."""

_BETWEEN = re.compile(r"\s+--\s+")
_EXAMPLE = "such as [r1:eth1, r2:eth1], or r1:eth1 -- r2:eth1"


def _two(given: Any) -> Any:
    ends = _BETWEEN.split(given.strip()) if isinstance(given, str) else given
    if not isinstance(ends, list | tuple) or len(ends) != len(("a", "b")):
        raise ValueError(f"a link has two ends, {_EXAMPLE}")
    return ends


def _carrier(given: Any) -> Any:
    if isinstance(given, str) and given not in CARRIERS:
        raise ValueError(no_such("carrier", given, CARRIERS))
    return given


Ends = Annotated[tuple[EndRef, EndRef], BeforeValidator(_two, json_schema_input_type=str | tuple[str, str])]


class LinkFile(WordValue):
    """A link between two interfaces of guests. As one word: its ends, ``r1:eth1 -- r2:eth1``."""

    word_field: ClassVar[str] = "ends"

    ends: Ends = Field(
        description="Its two ends, `[GUEST:INTERFACE, GUEST:INTERFACE]`. "
        "As a word: `GUEST:INTERFACE -- GUEST:INTERFACE`."
    )
    carrier: Annotated[str, BeforeValidator(_carrier)] = Field(
        default=CARRIERS[0], description="What carries its frames: `veth`, on one host as well as between two."
    )
    mtu: Mtu = Field(default=1500, description="The largest packet that it carries, in bytes, 68 to 65535.")

    @property
    def interfaces(self) -> tuple[tuple[str, str], ...]:
        """Its two ends, each as a guest and the name of its device."""
        return tuple((guest, device) for guest, _, device in (end.partition(":") for end in self.ends))
