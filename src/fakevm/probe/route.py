"""The way that a guest's kernel has to a destination."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Collection
from typing import Any

from fakevm.errors import CommandFailed
from fakevm.model.check import Observed

from .base import Probe, Run


class RouteProbe(Probe):
    """Looks for the route to an address, or for the one of just this network.

    :param via: one of these devices or gateways must be among its next hops; empty: any will do
    :param ways: how many next hops it has, None: that does not matter
    """

    def __init__(self, to: str, via: Collection[str], ways: int | None) -> None:
        self._to = to
        self._via = via
        self._ways = ways

    def command(self) -> list[str]:
        """See Probe."""
        family = "-6" if ":" in self._to else "-4"
        return ["ip", family, "-json", "route", "show", "exact" if "/" in self._to else "match", self._to]

    def read(self, run: Run) -> Observed:
        """See Probe."""
        try:
            found = json.loads(run.output or "[]")
        except ValueError as exc:
            raise CommandFailed(f"ip ended with status {run.status}: {run.last_words}") from exc
        if run.status:
            raise CommandFailed(f"ip ended with status {run.status}: {run.last_words}")
        # Those that lead nowhere are no way.
        routes = [route for route in found if route.get("type", "unicast") == "unicast"]
        if not routes:
            return Observed(verdict="blocked", words="no route")
        hops = _hops(max(routes, key=_length))
        words = ", ".join(" ".join(filter(None, hop)) for hop in hops)
        right = not self._via or any(word in self._via for hop in hops for word in hop if word)
        if self._ways is not None and len(hops) != self._ways:
            return Observed(verdict="unclear", words=f"{len(hops)} ways, not {self._ways}: {words}")
        return Observed(verdict="passes" if right else "unclear", words=words if right else f"by another way: {words}")


def _length(route: dict[str, Any]) -> int:
    if route["dst"] == "default":
        return 0
    return ipaddress.ip_network(route["dst"], strict=False).prefixlen


def _hops(route: dict[str, Any]) -> list[tuple[str, str]]:
    """Give a route's next hops: gateway, which may be missing, and device."""
    hops = route.get("nexthops", [route])
    return [(hop.get("gateway", hop.get("via", {}).get("host", "")), hop.get("dev", "")) for hop in hops]
