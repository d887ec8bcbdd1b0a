"""The devices that frames of a link go through between one end and the other, when something is to befall them: pure.

``source`` is the device by which they come into the panel. From there they go, as far as these are there, out of a veth
pair's inlet, whose queue may shape them, in by its exit, where some may be lost, to a tap, behind which a delay line
holds them, and from the last of these to the far end. So what befalls the frames of an end hangs on nothing of the far
one, which may come and go.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

# Of a device that frames go through (ip-link(8): alias); another one is about to go.
USED, LEAVING = "used", "leaving"
_INLET, _EXIT, _TAP, _BACK = "di", "do", "dt", "db"


class Detour(NamedTuple):
    """The devices of what comes in by ``source``."""

    source: str

    @property
    def inlet(self) -> str:
        """The end of the pair by which frames leave."""
        return _INLET + self.source[len(_INLET) :]

    @property
    def exit(self) -> str:
        """The end of the pair by which they come in."""
        return _EXIT + self.source[len(_EXIT) :]

    @property
    def tap(self) -> str:
        """The tap of the delay line."""
        return _TAP + self.source[len(_TAP) :]

    @property
    def back(self) -> str:
        """The tap of what leaves by the source, towards its guest."""
        return _BACK + self.source[len(_BACK) :]

    def stages(self, *, pair: bool, line: bool) -> list[tuple[str, str]]:
        """Give what frames go through, each as the device by which they leave, and the one by which they come again."""
        return [*([(self.inlet, self.exit)] if pair else []), *([(self.tap, self.tap)] if line else [])]

    def outlet(self, devices: Mapping[str, str]) -> str:
        """Name the device by which frames come to the panel at last, empty: that by which they came.

        ``devices`` are the panel's with their aliases.
        """
        return next((name for name in (self.tap, self.exit) if devices.get(name) == USED), "")
