"""What DHCP servers offer."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

from fakevm.errors import CommandFailed
from fakevm.model.check import Observed

from .base import PATIENCE, Probe, Run

# RFC 2132, 9.6
_OFFER = 2


class DhcpProbe(Probe):
    """Asks on a guest's device for offers, and takes none.

    Passes when exactly ``servers`` servers offer one of the guest's ``addresses``; is blocked when none offers any.
    """

    longest = PATIENCE + 5

    def __init__(self, device: str, addresses: tuple[str, ...], servers: int) -> None:
        self._device = device
        self._addresses = addresses
        self._servers = servers

    def command(self) -> list[str]:
        """See Probe."""
        pace = ["--interval", "1", "--duration", f"{PATIENCE:g}"]
        return [sys.executable, "-I", "-m", "pyroute2.dhcp.server_detector", self._device, *pace]

    def read(self, run: Run) -> Observed:
        """See Probe."""
        offers = {server: address for server, address in _offers(run) if server and address}
        words = "; ".join(f"{server} offers {address}" for server, address in sorted(offers.items()))
        if not offers:
            return Observed(verdict="blocked", words="no offer")
        right = len(offers) == self._servers and set(offers.values()) <= set(self._addresses)
        return Observed(verdict="passes" if right else "unclear", words=words)


def _offers(run: Run) -> Iterator[tuple[str, str]]:
    """Read who offered what from the detector's JSON objects, which follow one another."""
    decoder, rest = json.JSONDecoder(), run.output.strip()
    try:
        while rest:
            found, end = decoder.raw_decode(rest)
            rest = rest[end:].lstrip()
            message = found["message"]["dhcp"]
            if message["options"]["message_type"] == _OFFER:
                yield str(message["options"].get("server_id")), str(message["yiaddr"])
    except (ValueError, KeyError) as exc:
        raise CommandFailed(f"pyroute2's DHCP server detector said what makes no sense: {run.last_words}") from exc
    # It ends with status 1 when it got no answer, and says nothing then.
    if run.status and run.errors.strip():
        raise CommandFailed(f"pyroute2's DHCP server detector ended with status {run.status}: {run.last_words}")
