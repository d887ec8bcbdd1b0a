"""What carries the frames of a link: a module each, and a line here.

The relay imports this: standard library only.
"""

from __future__ import annotations

from collections.abc import Mapping

from .base import Carrier
from .multicast import Multicast
from .tcp import Tcp
from .udp import Udp
from .vxlan import Vxlan

CARRIERS: Mapping[str, Carrier] = {
    "udp": Udp(),
    "tcp": Tcp(),
    "multicast": Multicast(),
    "vxlan": Vxlan(),
}
