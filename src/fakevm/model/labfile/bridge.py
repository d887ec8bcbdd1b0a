"""Bridges that join interfaces of several guests: learning switches, that no network of Neutron's has part in."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from fakevm.model.value import Value

from .word import Duration, Mtu


def _nothing(given: Any) -> Any:
    return {} if given is None else given


class BridgeFile(Value):
    """A bridge. Guests say which of their interfaces are in it: ``eth2: {bridge: lan}``."""

    stp: bool = Field(
        default=False,
        description="Whether it takes part in spanning tree itself; else it passes on what its guests say of that.",
    )
    forward_delay: Annotated[Duration, Field(ge=2, le=30)] = Field(
        default=15.0, description="With `stp`: so long a port listens, and again so long learns, before it forwards."
    )
    mtu: Mtu = Field(default=1500, description="The largest packet that it carries, in bytes, 68 to 65535.")


# A bridge of which nothing is said is one, too: ``lan:``.
Bridge = Annotated[BridgeFile, BeforeValidator(_nothing)]
