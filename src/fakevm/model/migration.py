"""A migration as it went: its steps, what Neutron said meanwhile, and what another guest saw of it.

All times are seconds since the migration began (``began``, seconds since the epoch), but for those of the events: they
are the receiver's, in seconds since the epoch.
"""

from __future__ import annotations

from typing import Literal

from .event import Event
from .identity import called
from .value import Value


class Step(Value):
    """A step: when it began, how long it took, and why it failed, if it did."""

    name: str
    start: float
    seconds: float
    error: str = ""


class PortSample(Value):
    """The port in Neutron at one moment; ``bindings`` gives each host's binding its status (ACTIVE, INACTIVE)."""

    at: float
    status: str
    host: str
    bindings: dict[str, str] = {}
    migrating_to: str = ""


class Probe(Value):
    """One probe: its number, when it was sent, and when each answer to it came (none: it was lost)."""

    number: int
    sent: float
    answers: tuple[float, ...] = ()


class Outage(Value):
    """What the probes say. ``interval`` and ``longest_gap`` are seconds.

    ``longest_gap`` is the longest time from one first answer to the next; a silence before the first answer, or after
    the last one, counts when probes were lost in it. ``duplicated`` counts the answers beyond the first to a probe,
    ``reordered`` the first answers that came after the answer to a later probe. ``median_rtt`` is None when nobody
    answered.
    """

    observer: str
    interval: float
    sent: int
    lost: int
    duplicated: int
    reordered: int
    longest_gap: float
    median_rtt: float | None = None


class MigrationReport(Value):
    """One migration of one port, whose own name is ``name``.

    ``error`` is empty when it went well; ``result`` says where that left the guest.
    """

    name: str = ""
    port_id: str
    instance_id: str
    network: str
    mac_address: str
    addresses: tuple[str, ...]
    source: str
    destination: str
    kind: Literal["live", "cold"]
    result: Literal["moved", "rolled back", "left half-way"]
    error: str = ""
    began: float
    seconds: float
    steps: tuple[Step, ...]
    outage: Outage | None = None
    events: tuple[Event, ...] = ()
    samples: tuple[PortSample, ...] = ()
    probes: tuple[Probe, ...] = ()

    @property
    def title(self) -> str:
        """What people call the guest."""
        return called(self.name, self.instance_id, self.port_id)
