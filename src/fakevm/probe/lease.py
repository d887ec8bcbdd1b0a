"""What a DHCP client gets."""

from __future__ import annotations

from collections.abc import Mapping

from fakevm.model.check import Observed
from fakevm.model.labfile.dhcp_option import SEEN

from .base import PATIENCE, Probe, Run, facts, program

# It may ask several times, and of IPv6 only when its address is no longer tentative.
_LONGEST = 3 * PATIENCE


class LeaseProbe(Probe):
    """Asks with dhclient on a guest's device, and leaves the device as it is.

    Passes when what it gets has all of ``gets``; is blocked when it gets nothing.
    """

    longest = _LONGEST + 5

    def __init__(self, device: str, family: int, gets: Mapping[str, str], *, stateless: bool) -> None:
        self._device = device
        self._family = family
        self._gets = gets
        self._stateless = stateless

    def command(self) -> list[str]:
        """See Probe."""
        how = ["stateless"] if self._stateless else []
        return program("lease", self._device, self._family, _LONGEST, *how)

    def read(self, run: Run) -> Observed:
        """See Probe."""
        found = facts(run)
        if found["error"]:
            return Observed(verdict="blocked", words=found["error"])
        got = {name: _value(found["gets"], name) for name in self._gets}
        words = ", ".join(f"{name} {value or 'none'}" for name, value in got.items()) or "a lease"
        return Observed(verdict="passes" if got == dict(self._gets) else "unclear", words=words)


def _value(gets: Mapping[str, str], name: str) -> str:
    return next((gets[word] for word in SEEN[name] if gets.get(word)), "")
