"""The agent's work on the guests of one host, put together."""

from __future__ import annotations

from .guests import Guests
from .mending import Mending
from .ports import Ports


class Manager(Guests, Ports, Mending):
    """All that the agent of a host does with its guests."""

    def count(self) -> int:
        """Count the guests."""
        return self._store.count()

    @property
    def may_replace_devices(self) -> bool:
        """Whether its switch makes devices of guests that are replaced when that starts anew."""
        return "plain" in self._driver.nics

    def guests(self) -> list[str]:
        """List the ids of all guests."""
        return [record.guest.id for record in self._store.all()]

    def wait_ready(self, timeout: float) -> None:
        """See VifDriver."""
        self._driver.wait_ready(timeout)
