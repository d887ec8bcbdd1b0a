"""The neighbours of a router by BGP, as its own daemon knows them."""

from __future__ import annotations

import re
from typing import Any

from .ospf import NeighboursProbe, json_of

# NAME PROTO TABLE STATE SINCE INFO; the last says how the session stands.
_BIRD_LINE = re.compile(r"^(\S+)\s+BGP\s+\S+\s+\S+\s+\S+(?: +\d\d:\d\d:\d\d\S*)?\s*(\w+)?", re.MULTILINE)


class BgpProbe(NeighboursProbe):
    """BGP: Established."""

    good = "Established"

    def states(self, output: str) -> list[tuple[str, str]]:
        """See NeighboursProbe."""
        if not output.lstrip().startswith("{"):
            return [(name, state or "down") for name, state in _BIRD_LINE.findall(output)]
        found: dict[str, str] = {}
        families: dict[str, Any] = json_of(output)
        for family in families.values():
            for peer, told in (family.get("peers", {}) if isinstance(family, dict) else {}).items():
                found[peer] = str(told.get("state", "?"))
        return list(found.items())
