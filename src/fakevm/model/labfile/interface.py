"""Interfaces of guests by the names of their devices: on a network, as a port, at a link's end or in a bridge."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag

from fakevm.model.nic import DEFAULT_NIC, NicKind
from fakevm.model.value import Value

from .impairment import IMPAIR, SHAPE, InterfaceImpairmentFile, InterfaceShapeFile
from .port import PortFile
from .reference import BridgeRef
from .word import AddressWithPrefix, MacAddress, Mtu


class LinkEndFile(Value):
    """An interface at a link's end, or in a bridge. ``mac``: None is one that is made of its names.

    ``mtu``: None is the link's, or the bridge's.
    """

    bridge: BridgeRef | None = Field(default=None, description="The bridge that it is in; else it is a link's end.")

    mac: MacAddress | None = Field(default=None, description="Its MAC address.")
    mtu: Mtu | None = Field(default=None, description="In bytes, no more than the link's or the bridge's.")
    addresses: tuple[AddressWithPrefix, ...] = Field(
        default=(), description="Its addresses, each with the length of its prefix: `[10.9.0.1/24]`."
    )
    nic: NicKind = Field(default=DEFAULT_NIC, description="`veth`; an interface on a network may be `plain`.")
    impair: InterfaceImpairmentFile = Field(default=InterfaceImpairmentFile(), description=IMPAIR)
    shape: InterfaceShapeFile = Field(default=InterfaceShapeFile(), description=SHAPE)


def _form(given: Any) -> str:
    """Tell which of both is meant: what has a key that only ports have is one, even where it has no network."""
    if isinstance(given, PortFile | str | int):
        return PortFile.__name__
    own = PortFile.model_fields.keys() - LinkEndFile.model_fields.keys()
    return PortFile.__name__ if isinstance(given, Mapping) and own & given.keys() else LinkEndFile.__name__


InterfaceFile = Annotated[
    Annotated[PortFile, Tag(PortFile.__name__)] | Annotated[LinkEndFile, Tag(LinkEndFile.__name__)],
    Discriminator(_form),
]
