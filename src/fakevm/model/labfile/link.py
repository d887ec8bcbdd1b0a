"""Links between guests, and to what is no guest of this lab."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field

from .impairment import LinkImpairmentFile, LinkShapeFile
from .reference import CarrierName, EndRef
from .word import Mtu, SocketAddress, WordValue

DIRECT = "veth"
"""What carries a link that names no carrier."""

_BETWEEN = re.compile(r"\s+--\s+")
_EXAMPLE = "such as [r1:eth1, r2:eth1], or r1:eth1 -- r2:eth1; a single one whose far end is not ours: r1:eth1"


def _one_or_two(given: Any) -> Any:
    ends = _BETWEEN.split(given.strip()) if isinstance(given, str) else given
    if not isinstance(ends, list | tuple) or len(ends) not in (1, 2):
        raise ValueError(f"a link has two ends, {_EXAMPLE}")
    return ends


Ends = Annotated[
    tuple[EndRef, ...], BeforeValidator(_one_or_two, json_schema_input_type=str | tuple[str] | tuple[str, str])
]


class LinkFile(WordValue):
    """A link between two interfaces of guests, or from one to a far end that is not ours.

    As one word: its ends, ``r1:eth1 -- r2:eth1``.
    """

    word_field: ClassVar[str] = "ends"

    ends: Ends = Field(
        description="Its two ends, `[GUEST:INTERFACE, GUEST:INTERFACE]`; one alone where the far end is not ours. "
        "As a word: `GUEST:INTERFACE -- GUEST:INTERFACE`."
    )
    carrier: CarrierName = Field(
        default=DIRECT,
        description="What carries its frames: `veth`, on one host as well as between two; `udp`, `tcp`, `multicast` "
        "as QEMU's netdevs do; `vxlan` to another machine.",
    )
    local: SocketAddress = Field(
        default="",
        description="Of a far end that is not ours: where it finds us, `HOST:PORT` on this machine. With `tcp`, and no "
        "`remote`: where we listen.",
    )
    remote: SocketAddress = Field(
        default="", description="Where a far end is that is not ours, `HOST:PORT`; with `multicast` the group."
    )
    vni: int | None = Field(default=None, ge=0, le=2**24 - 1, description="With `vxlan`: the network's number.")
    mtu: Mtu = Field(default=1500, description="The largest packet that it carries, in bytes, 68 to 65535.")

    impair: LinkImpairmentFile = Field(
        default=LinkImpairmentFile(),
        description="What befalls its frames, in either direction: `delay`, `jitter`, `loss`, `duplicate`, `reorder`, "
        "`corrupt`; the same below `from: {GUEST: …}` for those of one guest.",
    )
    shape: LinkShapeFile = Field(
        default=LinkShapeFile(),
        description="How fast they go, in either direction: `tbf` or `htb`; below `from: {GUEST: …}` for those of one.",
    )

    @property
    def interfaces(self) -> tuple[tuple[str, str], ...]:
        """Its ends that are ours, each as a guest and the name of its device."""
        return tuple((guest, device) for guest, _, device in (end.partition(":") for end in self.ends))

    @property
    def is_carried(self) -> bool:
        """Whether a relay carries its frames: its ends are not joined directly."""
        return self.carrier != DIRECT

    @property
    def relay(self) -> tuple[object, ...]:
        """What its relay is made of; nothing where there is none."""
        return (self.carrier, self.local, self.remote, self.vni, self.mtu, self.leads_out) if self.is_carried else ()

    @property
    def leads_out(self) -> bool:
        """Whether its far end is not ours."""
        return len(self.ends) == 1
