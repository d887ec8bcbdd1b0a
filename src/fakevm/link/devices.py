"""What the panel's devices are called, and which of them belong together: pure.

Of a link there is a device for each end whose guest is there, and while a guest moves one more, of its other host. A
link that another carrier than a veth pair carries has a device of the carrier's in front of each end, too. Of a bridge
there is the bridge, and for each interface that is in it a device.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from typing import Literal

from fakevm.model.interface import BridgePort, LinkEnd

from .detour import Detour
from .joining import Joint

Place = LinkEnd | BridgePort
# Of a device whose guest is awake (ip-link(8): alias).
AWAKE, ASLEEP = "awake", "asleep"
_OF_LINKS = "ln"
_CARRIERS = "c"
_BRIDGES = "lb"
_IN_BRIDGES = "lp"
_FAR: Mapping[Literal["a", "b"], Literal["a", "b"]] = {"a": "b", "b": "a"}

# The panel's devices by name, with their aliases.
Devices = Mapping[str, str]


def of_place(place: Place, host: str) -> str:
    """Name the device of a link's end, or in a bridge, whose guest is on a host; it has the 15 bytes that it may."""
    prefix = _prefix(place) if isinstance(place, LinkEnd) else f"{_IN_BRIDGES}{_sum(f'{place.bridge} {place.owner}')}"
    return f"{prefix}{zlib.crc32(host.encode()) & 0xFFFF:04x}"


def of_bridge(bridge: str) -> str:
    """Name the device of a bridge."""
    return f"{_BRIDGES}{_sum(bridge)}"


def of_carrier(end: LinkEnd) -> str:
    """Name the carrier's device in front of an end."""
    return f"{_of_link(end.link)}{_CARRIERS}{end.end}"


def carriers_of(link: str) -> tuple[str, str]:
    """Name the carrier's devices of a link: in front of its first end, and of its second."""
    return of_carrier(LinkEnd(link=link, end="a")), of_carrier(LinkEnd(link=link, end="b"))


def ends(end: LinkEnd, devices: Devices) -> list[str]:
    """Name the devices of an end that are there: one for each host that has its guest."""
    return [name for name in devices if name.startswith(_prefix(end))]


def of_link(link: str, devices: Devices) -> list[str]:
    """Name all devices of a link that are there."""
    return [name for name in devices if name.startswith(_of_link(link))]


def joints(link: str, devices: Devices) -> Iterator[Joint]:
    """Say how the devices of a link are to be joined: each end with what carries its frames, or with the far end.

    Of an end that is there twice the awake one gets what comes.
    """
    for letter in _FAR:
        end = LinkEnd(link=link, end=letter)
        carrier = of_carrier(end)
        target = carrier if carrier in devices else _awake(end.far, devices)
        for source in ends(end, devices):
            yield Joint(source, target, Detour(source).outlet(devices))
        if carrier in devices:
            yield Joint(carrier, _awake(end, devices))


def _awake(end: LinkEnd, devices: Devices) -> str:
    return next((name for name in ends(end, devices) if devices[name] == AWAKE), "")


def _prefix(end: LinkEnd) -> str:
    return f"{_of_link(end.link)}{end.end}"


def _of_link(link: str) -> str:
    return f"{_OF_LINKS}{_sum(link)}"


def _sum(words: str) -> str:
    return f"{zlib.crc32(words.encode()):08x}"
