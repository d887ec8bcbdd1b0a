"""What Neutron has heard of ports, so that it hears all it must, and once: pure."""

from __future__ import annotations

from typing import Literal, NamedTuple

from .world import Port, World


class News(NamedTuple):
    """What Neutron must hear: a port is wired on a host (``up``), or is not there (``down``)."""

    what: Literal["up", "down"]
    port: str
    host: str


class _Heard(NamedTuple):
    """What was said of a wired port: its number in the switch, and as Neutron knew it then."""

    number: int
    revision: int


class Ledger:
    """Compares what is with what was said."""

    def __init__(self) -> None:
        self._up: dict[tuple[str, str], _Heard] = {}
        self._down: dict[str, int] = {}

    def forget(self, host: str) -> None:
        """Forget what was said of a host whose switch is gone: when it is back, all is said anew."""
        self._up = {key: heard for key, heard in self._up.items() if key[1] != host}

    def news(self, host: str, world: World) -> list[News]:
        """Give what must be said now that the switch of a host has the flows of ``world``; it counts as said."""
        found = []
        for port in world.ports.values():
            number = world.plugged.get(port.id, {}).get(host)
            if number is None or port.segment is None:
                found += [News("down", port.id, host)] if self._is_missed(host, port) else []
            elif self._is_awaited(host, port, number):
                found.append(News("up", port.id, host))
        self._up = {key: heard for key, heard in self._up.items() if key[0] in world.ports}
        self._down = {port: revision for port, revision in self._down.items() if port in world.ports}
        return found

    def _is_awaited(self, host: str, port: Port, number: int) -> bool:
        """Tell whether a port has come, or Neutron waits for it (anew)."""
        before = self._up.get((port.id, host))
        self._up[port.id, host] = _Heard(number, port.revision)
        if before is None or before.number != number:
            return True
        return port.host == host and port.status != "ACTIVE" and before.revision != port.revision

    def _is_missed(self, host: str, port: Port) -> bool:
        """Tell whether a port was there, or Neutron takes it for ACTIVE on a host where it is not."""
        was_there = self._up.pop((port.id, host), None) is not None
        believed = port.host == host and port.status == "ACTIVE" and self._down.get(port.id) != port.revision
        if was_there or believed:
            self._down[port.id] = port.revision
        return was_there or believed
