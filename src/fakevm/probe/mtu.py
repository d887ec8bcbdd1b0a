"""The largest packet that passes undivided."""

from __future__ import annotations

from fakevm.errors import CommandFailed
from fakevm.model.check import Observed

from .base import PATIENCE, Probe, Run
from .ping import counted, ping

_COUNT = 3
# Headers (bytes) of IP and of ICMP's echo, by IP version.
_HEADERS = {4: 20 + 8, 6: 40 + 8}
_BETWEEN = "----"


class MtuProbe(Probe):
    """Sends undivided packets of ``size`` bytes (the whole IP packet), and of one byte more.

    Passes when the first come through and the others do not; is blocked when not even the first do.
    """

    longest = 4 * PATIENCE + 2

    def __init__(self, address: str, size: int) -> None:
        self._address = address
        self._size = size

    def command(self) -> list[str]:
        """See Probe. ``-M do`` forbids to divide the packet, here and on the way."""
        payload = self._size - _HEADERS[6 if ":" in self._address else 4]
        fits, more = (ping(self._address, _COUNT, "-M", "do", "-s", str(size)) for size in (payload, payload + 1))
        return ["sh", "-c", f"{' '.join(fits)} 2>&1; echo {_BETWEEN}; {' '.join(more)} 2>&1; true"]

    def read(self, run: Run) -> Observed:
        """See Probe."""
        fits, between, more = run.output.partition(_BETWEEN)
        if not between:
            raise CommandFailed(f"ping ended with status {run.status}: {run.last_words}")
        come, too_large = (counted(Run(run.status, part, part))[1] for part in (fits, more))
        if not come:
            return Observed(verdict="blocked", words=f"{self._size} bytes do not pass")
        if too_large:
            return Observed(verdict="unclear", words=f"{self._size + 1} bytes pass, too")
        return Observed(verdict="passes", words=f"{self._size} bytes pass, {self._size + 1} do not")
