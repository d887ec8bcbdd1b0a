"""Who is at the other end of a guest's links, as LLDP tells."""

from __future__ import annotations

from collections.abc import Mapping

from fakevm.model.check import Observed

from .base import Probe, Run, facts, program

READY = "speaking"
# Several times as long as who speaks is silent (seconds).
_LISTENING = 1.5


def speaker(guest: str) -> list[str]:
    """Build the argv of what speaks for a guest, until its standard input ends."""
    return program("lldp", guest, 0)


class NeighbourProbe(Probe):
    """Listens on all devices of a guest; passes when each of ``wanted`` (device: system and port) is there.

    It is blocked when none is.
    """

    longest = _LISTENING + 10

    def __init__(self, guest: str, wanted: Mapping[str, tuple[str, str]]) -> None:
        self._guest = guest
        self._wanted = wanted

    def command(self) -> list[str]:
        """See Probe."""
        return program("lldp", self._guest, _LISTENING)

    def read(self, run: Run) -> Observed:
        """See Probe."""
        heard = {device: {tuple(each) for each in found} for device, found in facts(run).items()}
        wrong = [
            f"{device}: {_named(heard.get(device, set()))} instead of {':'.join(wanted)}"
            for device, wanted in self._wanted.items()
            if heard.get(device) != {wanted}
        ]
        if not wrong:
            return Observed(verdict="passes", words=f"all {len(self._wanted)} are as the file says")
        none = len(wrong) == len(self._wanted)
        return Observed(verdict="blocked" if none else "unclear", words="; ".join(wrong))


def _named(found: set[tuple[str, ...]]) -> str:
    return ", ".join(":".join(each) for each in sorted(found)) or "nobody"
